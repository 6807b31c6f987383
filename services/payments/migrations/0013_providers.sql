-- Real providers: what they call a session, how long one that they cannot end is watched, how often they may be asked, and mock money.

alter table payments.payments
    -- The provider's own name of the session, where it has one before anybody has paid.
    add column provider_reference text check (length(provider_reference) between 1 and 255),
    -- Sealed: with it the payer's browser may finish the payment.
    add column client_secret bytea,
    -- Over on our side, but not at the provider: it is asked until then whether somebody has paid all the same.
    add column watch_until timestamptz,
    -- When its provider was asked about it last: where not all can be asked about at once, it is the turn of the longest ago.
    add column asked_at timestamptz,
    add constraint payments_watched_when_over check (watch_until is null or status <> 'pending');

create unique index payments_provider_reference on payments.payments (provider, provider_reference) where provider_reference is not null;

drop index payments.payments_to_reconcile;
create index payments_to_reconcile on payments.payments (provider, reconcile_at) where status = 'pending' or watch_until is not null;

-- How many questions the reconcilers of all replicas may ask a provider at once: each takes one, and they come back with time.
create table payments.provider_questions (
    provider text primary key,
    left_now double precision not null check (left_now >= 0),
    at       timestamptz not null default clock_timestamp()
);

-- What this database has once held: mock money and real money never share a book.
create table payments.marks (
    mark      text primary key check (mark in ('mock_money')),
    marked_at timestamptz not null default clock_timestamp()
);

alter table payments.suspense_items
    drop constraint suspense_items_reason_check,
    add constraint suspense_items_reason_check check (reason in (
        'currency_mismatch', 'less_than_asked', 'more_than_asked', 'unknown_reference', 'refused_payment', 'second_payment', 'refund_failed',
        'reference_in_use', 'something_else_paid'
    ));

grant select, insert, update on payments.provider_questions to purser_payments;
grant select, insert on payments.marks to purser_payments;
grant select on payments.provider_questions, payments.marks to purser_verifier;
