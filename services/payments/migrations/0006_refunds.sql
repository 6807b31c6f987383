-- Refunds: each a saga of hold, sending back at the provider, and settling or releasing; and the stand-in provider's own book of them.

create table payments.refunds (
    refund_id          uuid primary key,
    -- None only for a request that was refused because there is no such payment, for who asked.
    payment_id         uuid references payments.payments (payment_id),
    provider           text,
    -- Goes back to the payer out of what was paid.
    amount_minor       bigint check (amount_minor between 0 and 1000000000000000),
    currency           text check (currency ~ '^[a-z]{3}$'),
    -- The platform's fee that goes back with it.
    fee_minor          bigint not null default 0,
    -- Whose balance it is taken from; none: the platform's revenue.
    owner_id           text,
    wanted_minor       bigint not null default 0,
    -- Known once reserved: what the owner had, and what the platform bears in the owner's place.
    held_minor         bigint,
    loss_minor         bigint,
    -- What a provider sent back beyond all that was left of the payment: the platform bears it.
    excess_minor       bigint not null default 0 check (excess_minor >= 0),
    state              text not null check (state in (
        'freeing', 'reserving', 'sending', 'pending', 'settling', 'succeeded', 'releasing', 'reversing', 'failed', 'refused'
    )),
    -- Who began it: a request here, the provider's own site, or an operator who tells what was done there.
    origin             text not null check (origin in ('request', 'provider', 'manual')),
    -- Taken as far as the owner has it, the rest is the platform's loss.
    forced             boolean not null default false,
    reason             text not null default '' check (length(reason) <= 500),
    -- The provider's own; of a manual one, what the operator was given there.
    provider_reference text check (length(provider_reference) between 1 and 255),
    -- When the provider was first to be asked: its memory of our key ends some time.
    sent_at            timestamptz,
    failure_reason     text check (length(failure_reason) between 1 and 500),
    -- The moment of the newest thing that the provider told of it: older ones come too late.
    told_at            timestamptz,
    -- Why it was refused, as the requester was or will be told.
    refusal            jsonb,
    requested_by       text,
    caller             text not null default '',
    external_id        text check (length(external_id) between 1 and 255),
    metadata           jsonb not null default '{}',
    correlation_id     text not null,
    next_at            timestamptz,
    attempts           int not null default 0,
    created_at         timestamptz not null default clock_timestamp(),
    updated_at         timestamptz not null default clock_timestamp(),
    settled_at         timestamptz,
    constraint refunds_named check (
        state = 'refused' or num_nonnulls(payment_id, provider, amount_minor, currency) = 4 and amount_minor + excess_minor > 0
    ),
    constraint refunds_refused check (state <> 'refused' or refusal is not null),
    constraint refunds_fee_is_part_of_it check (state = 'refused' or fee_minor between 0 and amount_minor),
    constraint refunds_wanted_is_the_rest check (state = 'refused' or wanted_minor = amount_minor - fee_minor),
    -- From whomever it is taken: all of it.
    constraint refunds_taken_whole check (
        num_nonnulls(held_minor, loss_minor) in (0, 2)
        and coalesce(held_minor >= 0 and loss_minor >= 0 and held_minor + loss_minor = wanted_minor, true)
        and (forced or coalesce(loss_minor, 0) = 0)
        and (state not in ('settling', 'succeeded', 'reversing') or owner_id is null or wanted_minor = 0 or held_minor is not null)
    ),
    constraint refunds_sent check (state not in ('sending', 'pending') or sent_at is not null),
    constraint refunds_settled check (state not in ('succeeded', 'reversing') or settled_at is not null),
    -- What is under way is looked at again; what has ended is not.
    constraint refunds_due check ((state in ('succeeded', 'failed', 'refused')) = (next_at is null))
);

-- A refund of the provider's is one refund here; what failed may turn out to have been made after all.
create unique index refunds_provider_reference on payments.refunds (provider, provider_reference)
    where provider_reference is not null and state not in ('failed', 'refused');

-- A refused or failed request frees its external_id.
create unique index refunds_external_id on payments.refunds (caller, external_id)
    where external_id is not null and state not in ('failed', 'refused');

create index refunds_due_next on payments.refunds (next_at) where next_at is not null;
create index refunds_of_payment on payments.refunds (payment_id, created_at desc, refund_id desc) where payment_id is not null;

-- The stand-in provider's book refers to nothing of ours but by value. What became of a refund follows from its two times.
create table payments.mock_refunds (
    refund_id          uuid primary key,
    session_id         uuid not null,
    charge_reference   text not null,
    amount_minor       bigint not null check (amount_minor > 0),
    currency           text not null,
    provider_reference text not null unique,
    declined           text,
    -- Says nothing until it is asked about it.
    silent             boolean not null default false,
    settles_at         timestamptz not null,
    fails_at           timestamptz,
    -- When its next event is to be told; none: nothing to tell (any more).
    tells_at           timestamptz,
    created_at         timestamptz not null default clock_timestamp(),
    check (fails_at >= settles_at)
);
create index mock_refunds_of_charge on payments.mock_refunds (charge_reference);
create index mock_refunds_to_tell on payments.mock_refunds (tells_at) where tells_at is not null;

grant select, insert, update on payments.refunds, payments.mock_refunds to purser_payments;
grant select on payments.refunds, payments.mock_refunds to purser_verifier;
