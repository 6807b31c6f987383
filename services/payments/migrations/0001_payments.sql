-- Payments, the raw provider events that move them, kept answers, the mock provider's own book, and the outbox.

create table payments.payments (
    payment_id         uuid primary key,
    -- What payer and provider know the attempt by; unguessable.
    session_id         uuid unique,
    user_id            text not null,
    kind               text not null check (kind in ('deposit')),
    provider           text not null,
    amount_minor       bigint not null check (amount_minor between 1 and 1000000000000000),
    currency           text not null check (currency ~ '^[a-z]{3}$'),
    status             text not null check (status in ('pending', 'completed', 'failed', 'expired', 'canceled')),
    -- The provider's own reference of the charge, and the wallet's dedupe key made of it: one charge is one credit, here and there.
    charge_reference   text,
    credit_reference   text unique,
    locale             text not null,
    payment_url        text,
    description        text not null default '',
    -- Why it was refused, as the requester was or will be told.
    refusal            jsonb,
    correlation_id     text not null,
    expires_at         timestamptz,
    completed_at       timestamptz,
    -- When the provider is asked next, if it has not told by then; each asking moves it on.
    reconcile_at       timestamptz not null default now(),
    created_at         timestamptz not null default now(),
    updated_at         timestamptz not null default now(),
    check ((status = 'completed') = (completed_at is not null)),
    check ((status = 'completed') = (credit_reference is not null)),
    check ((credit_reference is null) = (charge_reference is null))
);

create index payments_to_reconcile on payments.payments (reconcile_at) where status = 'pending';

-- Sameness of requests: this row decides it, never the id. `answer` is the first final answer, replayed as long as it is kept.
create table payments.idempotency_keys (
    caller        text not null,
    operation     text not null,
    key_hash      text not null,
    fingerprint   text not null,
    -- The message that works on it, and until when its crash is not assumed; the same message delivered again goes on at once.
    holder        uuid not null,
    working_until timestamptz not null,
    answer        text,
    created_at    timestamptz not null default now(),
    primary key (caller, operation, key_hash)
);

-- Every verified webhook, whole: once per provider and event id.
create table payments.provider_events (
    provider        text not null,
    event_id        text not null,
    headers         jsonb not null,
    body            bytea not null,
    payment_id      uuid,
    -- 'applied'; 'unchanged' (nothing new); 'ignored' (a type that says nothing to us); else why it did not match.
    outcome         text not null,
    correlation_id  text not null,
    received_at     timestamptz not null,
    stored_at       timestamptz not null default now(),
    primary key (provider, event_id)
);
create index provider_events_payment on payments.provider_events (payment_id) where payment_id is not null;

-- The mock provider's own book: as far from payments.payments as a real provider's would be, so it refers to nothing of ours but by value.
create table payments.mock_sessions (
    session_id       uuid primary key,
    payment_id       uuid not null,
    owner            text not null,
    amount_minor     bigint not null check (amount_minor > 0),
    currency         text not null,
    expires_at       timestamptz not null,
    outcome          text check (outcome in ('success', 'failure')),
    event_id         text unique,
    charge_reference text unique,
    decided_at       timestamptz,
    created_at       timestamptz not null default now(),
    check ((outcome is null) = (event_id is null) and (outcome is null) = (decided_at is null)),
    check ((outcome = 'success') is true = (charge_reference is not null))
);

create table payments.outbox (
    id             bigint generated always as identity primary key,
    lane           smallint not null,
    message_type   text not null,
    key            text not null,
    payload        text not null,
    correlation_id text not null,
    created_at     timestamptz not null default now(),
    sent_at        timestamptz
);
create index outbox_unsent on payments.outbox (lane, id) where sent_at is null;

-- A relay that holds a lane's lease is the only one that publishes its rows.
create table payments.outbox_lanes (
    lane         smallint primary key,
    leased_by    text,
    leased_until timestamptz
);
insert into payments.outbox_lanes (lane) select generate_series(0, 7);

grant select, insert, update on payments.payments, payments.idempotency_keys, payments.mock_sessions, payments.provider_events to purser_payments;
grant select, insert, update, delete on payments.outbox to purser_payments;
grant select, update on payments.outbox_lanes to purser_payments;
grant select on all tables in schema payments to purser_verifier;
