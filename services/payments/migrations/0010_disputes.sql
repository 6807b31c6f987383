-- Disputes: each a saga of the money that the provider took out of a charge, and of its coming back when the dispute is won; and the
-- stand-in provider's own book of events that are told later, or more than once.

create table payments.disputes (
    dispute_id        uuid primary key,
    payment_id        uuid not null references payments.payments (payment_id),
    provider          text not null check (length(provider) between 1 and 32),
    -- The provider's own.
    dispute_reference text not null check (length(dispute_reference) between 1 and 255),
    -- What the provider took, and who bears it: the owner of the credit (none: the platform's revenue), the fee, the platform's loss.
    amount_minor      bigint not null check (amount_minor between 1 and 1000000000000000),
    currency          text not null check (currency ~ '^[a-z]{3}$'),
    owner_id          text check (length(owner_id) between 1 and 64),
    owner_minor       bigint not null check (owner_minor >= 0),
    fee_minor         bigint not null check (fee_minor >= 0),
    loss_minor        bigint not null check (loss_minor >= 0),
    -- What comes next: 'freeing' looks whether the owner's unsent withdrawals have to give way, 'opening' takes the money, 'closing' gives
    -- it back; 'open', 'won' and 'lost' are at rest.
    state             text not null check (state in ('freeing', 'opening', 'open', 'closing', 'won', 'lost')),
    -- How the provider says that it has ended; it may say so before the money is taken here.
    outcome           text check (outcome in ('won', 'lost')),
    correlation_id    text not null,
    next_at           timestamptz,
    attempts          int not null default 0,
    created_at        timestamptz not null default clock_timestamp(),
    updated_at        timestamptz not null default clock_timestamp(),
    constraint disputes_once unique (provider, dispute_reference),
    constraint disputes_borne check (owner_minor + fee_minor + loss_minor = amount_minor),
    constraint disputes_outcome check (
        case state
            when 'open' then outcome is null
            when 'closing' then outcome is not distinct from 'won'
            when 'won' then outcome is not distinct from 'won'
            when 'lost' then outcome is not distinct from 'lost'
            else true
        end
    ),
    constraint disputes_due check ((state in ('open', 'won', 'lost')) = (next_at is null))
);

create index disputes_due_next on payments.disputes (next_at) where next_at is not null;
create index disputes_of_payment on payments.disputes (payment_id);

-- What the mock really took, when its controls made it take another sum than the session's.
alter table payments.mock_sessions
    add column paid_amount_minor bigint check (paid_amount_minor > 0),
    add column paid_currency text,
    add constraint mock_sessions_paid check (
        num_nonnulls(paid_amount_minor, paid_currency) = 0 or num_nonnulls(paid_amount_minor, paid_currency) = 2 and outcome = 'success'
    );

-- Events that the mock's controls have asked for: each copy is told when it is due, and again when a crash leaves that in doubt.
create table payments.mock_events (
    event_id       text not null,
    copy           int not null check (copy between 0 and 100),
    session_id     uuid not null,
    body           bytea not null,
    -- What the session becomes when the first copy is told, unless it has been decided before.
    outcome        text check (outcome in ('success', 'failure')),
    charge         text,
    amount_minor   bigint,
    currency       text,
    correlation_id text not null,
    due_at         timestamptz not null,
    -- When whoever has taken it to tell it is believed to have failed; told_at: it was told.
    leased_until   timestamptz,
    told_at        timestamptz,
    primary key (event_id, copy)
);
create index mock_events_due on payments.mock_events (due_at) where told_at is null;

grant select, insert, update on payments.disputes, payments.mock_events to purser_payments;
grant select on payments.disputes, payments.mock_events to purser_verifier;
