-- Suspense: authentic money that does not fit what was asked for, item by item, until an operator (or, for a second charge of somebody we
-- know, the rule) says whose it is.

create table payments.suspense_items (
    item_id             uuid primary key,
    provider            text not null check (length(provider) between 1 and 32),
    -- The provider's own reference of the charge, and how much of it this is: all, or what was paid beyond what was asked for.
    charge_reference    text not null check (length(charge_reference) between 1 and 255),
    part                text not null check (part in ('all', 'rest')),
    -- What the event named as ours, whether we have it or not; and the payment that it is, if we do.
    session_id          uuid not null,
    payment_id          uuid references payments.payments (payment_id),
    amount_minor        bigint not null check (amount_minor between 1 and 1000000000000000),
    currency            text not null check (currency ~ '^[a-z]{3}$'),
    reason              text not null check (reason in (
        'currency_mismatch', 'less_than_asked', 'more_than_asked', 'unknown_reference', 'refused_payment', 'second_payment', 'refund_failed',
        'reference_in_use'
    )),
    -- As it is told: a decision is told when its money has moved.
    status              text not null default 'open' check (status in ('open', 'assigned', 'refunded', 'written_off')),
    -- Since when the book has the money in suspense:{provider}, and since when it has it there no more.
    received_at         timestamptz,
    settled_at          timestamptz,
    decision            text check (decision in ('assign_user', 'assign_payment', 'refund', 'write_off')),
    -- The request that decided; a refund's key at the provider.
    decision_id         uuid unique,
    -- 'user:9', or 'system' for the rule.
    decided_by          text,
    decided_at          timestamptz,
    assigned_user_id    text check (length(assigned_user_id) between 1 and 64),
    assigned_payment_id uuid references payments.payments (payment_id),
    decision_reference  text check (length(decision_reference) between 1 and 200),
    decision_reason     text check (length(decision_reason) between 1 and 500),
    -- 'sent': it may have reached the provider; 'pending': the provider has it and tells later; 'settled': the money has left there.
    refund_state        text check (refund_state in ('sent', 'pending', 'settled')),
    refund_reference    text check (length(refund_reference) between 1 and 255),
    -- When the provider was first asked for it: its memory of our key ends some time.
    refund_sent_at      timestamptz,
    correlation_id      text not null,
    next_at             timestamptz,
    attempts            int not null default 0,
    created_at          timestamptz not null default clock_timestamp(),
    -- However often and on whichever road a charge is told of, it is kept once.
    constraint suspense_items_once unique (provider, charge_reference, part),
    constraint suspense_items_decided check (
        num_nonnulls(decision, decision_id, decided_by, decided_at) in (0, 4)
        and (assigned_user_id is not null) = (decision is not distinct from 'assign_user')
        and (assigned_payment_id is not null) = (decision is not distinct from 'assign_payment')
        and (decision is not distinct from 'refund' or refund_state is null)
        and (refund_state is null) = (refund_sent_at is null)
        and (refund_reference is not null) = (coalesce(refund_state, 'sent') <> 'sent')
    ),
    constraint suspense_items_settled check (
        case status
            when 'open' then settled_at is null
            else received_at is not null and settled_at is not null and decision like
                case status when 'assigned' then 'assign\_%' when 'refunded' then 'refund' else 'write\_off' end
        end
    ),
    -- What is under way is looked at again; what waits for an operator, or for nothing, is not.
    constraint suspense_items_due check ((received_at is not null and (decision is null or settled_at is not null)) = (next_at is null))
);

create index suspense_items_due_next on payments.suspense_items (next_at) where next_at is not null;
create index suspense_items_newest on payments.suspense_items (created_at desc, item_id desc);
create index suspense_items_open on payments.suspense_items (created_at desc, item_id desc) where status = 'open';
create index suspense_items_payment on payments.suspense_items (payment_id) where payment_id is not null;

grant select, insert, update on payments.suspense_items to purser_payments;
grant select on payments.suspense_items to purser_verifier;
