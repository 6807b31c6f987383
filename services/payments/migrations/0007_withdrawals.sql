-- Withdrawals: each a saga of hold, payout, and settling or releasing; and the stand-in payout provider's own book.

create table payments.withdrawals (
    withdrawal_id    uuid primary key,
    user_id          text not null check (length(user_id) between 1 and 64),
    amount_minor     bigint not null check (amount_minor between 1 and 1000000000000000),
    currency         text not null check (currency ~ '^[a-z]{3}$'),
    -- Where the money goes, sealed (shared/sealing.py) and opened only when it is sent; beside it what its owner recognises.
    destination      bytea not null,
    destination_type text not null,
    account_masked   text not null,
    name_masked      text not null,
    payout_method    text not null,
    -- As it is told: a decision is told when wallet has done its part of it.
    status           text not null check (status in ('pending', 'approved', 'sending', 'paid', 'rejected', 'canceled', 'failed', 'returned')),
    -- What is done next; 'waiting' for a decision and 'done' are at rest.
    step             text not null check (step in ('reserving', 'waiting', 'approved', 'sending', 'settling', 'releasing', 'returning', 'done')),
    -- What the status becomes when the step under way is through.
    outcome          text check (outcome in ('paid', 'rejected', 'canceled', 'failed', 'returned')),
    -- The first that was decided about it, by whom: user:9, or auto. No other decision takes its place.
    decision         text check (decision in ('approve', 'reject', 'cancel')),
    decided_by       text,
    decided_at       timestamptz,
    decision_reason  text check (length(decision_reason) between 1 and 500),
    -- The payout's own, at the bank or the provider; and that of its return.
    reference        text check (length(reference) between 1 and 200),
    return_reference text check (length(return_reference) between 1 and 200),
    failure_reason   text check (length(failure_reason) between 1 and 500),
    -- Since when nobody tells what became of the payout.
    unknown_since    timestamptz,
    -- Why it was refused, as the requester was or will be told.
    refusal          jsonb,
    caller           text not null,
    external_id      text check (length(external_id) between 1 and 255),
    metadata         jsonb not null default '{}',
    correlation_id   text not null,
    next_at          timestamptz,
    attempts         int not null default 0,
    created_at       timestamptz not null,
    updated_at       timestamptz not null,
    constraint withdrawals_step_fits check (
        case step
            when 'reserving' then status = 'pending' and outcome is null
            when 'waiting' then status = 'pending' and outcome is null
            when 'approved' then status = 'approved' and outcome is null
            when 'sending' then status = 'sending' and outcome is null
            when 'settling' then status = 'sending' and outcome = 'paid'
            when 'releasing' then status in ('pending', 'approved', 'sending') and outcome in ('rejected', 'canceled', 'failed')
            when 'returning' then status = 'paid' and outcome = 'returned'
            when 'done' then status in ('paid', 'rejected', 'canceled', 'failed', 'returned') and outcome is null
        end
    ),
    -- A step that somebody has to take is looked at again; what waits for people, or for nothing, is not.
    constraint withdrawals_due check (
        case step
            when 'waiting' then next_at is null
            when 'done' then next_at is null
            when 'sending' then next_at is not null or payout_method = 'manual'
            else next_at is not null
        end
    ),
    constraint withdrawals_decided check ((decision is null) = (decided_by is null) and (decision is null) = (decided_at is null)),
    constraint withdrawals_sent_when_approved check (
        status not in ('approved', 'sending', 'paid', 'returned') or decision = 'approve' or outcome = 'canceled'
    ),
    -- Nobody approves their own.
    constraint withdrawals_approved_by_another check (decision is distinct from 'approve' or decided_by <> 'user:' || user_id),
    constraint withdrawals_refused_is_failed check (refusal is null or (step = 'done' and status = 'failed'))
);

-- A refused, rejected, canceled or failed request frees its external_id.
create unique index withdrawals_external_id on payments.withdrawals (caller, external_id)
    where external_id is not null and status not in ('rejected', 'canceled', 'failed');

create index withdrawals_due_next on payments.withdrawals (next_at) where next_at is not null;
create index withdrawals_of_user on payments.withdrawals (user_id, created_at desc, withdrawal_id desc);
create index withdrawals_of_all on payments.withdrawals (created_at desc, withdrawal_id desc);
create index withdrawals_of_status on payments.withdrawals (status, created_at desc, withdrawal_id desc)
    where status in ('pending', 'approved', 'sending');

-- The stand-in payout provider's own book: it refers to nothing of ours but by value, and keeps no account number.
create table payments.mock_payouts (
    withdrawal_id       uuid primary key,
    amount_minor        bigint not null check (amount_minor > 0),
    currency            text not null,
    provider_reference  text not null unique,
    outcome             text not null check (outcome in ('paid', 'failed', 'returned')),
    -- Says nothing until it is asked about it.
    silent              boolean not null default false,
    -- When a payout that comes back does, who is telling that has until when, and whether it was told.
    returns_at          timestamptz,
    return_leased_until timestamptz,
    return_told_at      timestamptz,
    created_at          timestamptz not null default clock_timestamp()
);
create index mock_payouts_returning on payments.mock_payouts (returns_at) where returns_at is not null and return_told_at is null;

grant select, insert, update on payments.withdrawals, payments.mock_payouts to purser_payments;
grant select on payments.withdrawals, payments.mock_payouts to purser_verifier;
