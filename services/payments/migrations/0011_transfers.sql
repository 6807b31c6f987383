-- Transfers between two users' balances: written down, then moved by wallet as one set.

create table payments.transfers (
    transfer_id    uuid primary key,
    from_user_id   text not null check (length(from_user_id) between 1 and 64),
    to_user_id     text not null check (length(to_user_id) between 1 and 64),
    amount_minor   bigint not null check (amount_minor between 1 and 1000000000000000),
    currency       text not null check (currency ~ '^[a-z]{3}$'),
    reason         text not null default '' check (length(reason) <= 500),
    status         text not null check (status in ('pending', 'completed', 'failed')),
    -- Why it was refused, as the requester was or will be told.
    refusal        jsonb,
    requested_by   text not null,
    caller         text not null,
    external_id    text check (length(external_id) between 1 and 255),
    metadata       jsonb not null default '{}',
    correlation_id text not null,
    next_at        timestamptz,
    attempts       int not null default 0,
    created_at     timestamptz not null,
    updated_at     timestamptz not null,
    constraint transfers_between_two check (from_user_id <> to_user_id),
    constraint transfers_refused check ((status = 'failed') = (refusal is not null)),
    constraint transfers_due check ((status = 'pending') = (next_at is not null))
);

-- A failed request frees its external_id.
create unique index transfers_external_id on payments.transfers (caller, external_id)
    where external_id is not null and status <> 'failed';

create index transfers_due_next on payments.transfers (next_at) where next_at is not null;

grant select, insert, update on payments.transfers to purser_payments;
grant select on payments.transfers to purser_verifier;
