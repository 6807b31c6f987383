-- Coaching sessions, which payments of kind 'payment' pay for; and what paying from the balance has to remember.

create table payments.coaching_sessions (
    session_id  text primary key check (length(session_id) between 1 and 64),
    mentor_id   text not null check (length(mentor_id) between 1 and 64),
    price_minor bigint not null check (price_minor between 1 and 1000000000000000),
    currency    text not null check (currency ~ '^[a-z]{3}$'),
    title       text not null check (length(title) <= 200),
    created_at  timestamptz not null default clock_timestamp(),
    updated_at  timestamptz not null default clock_timestamp()
);

-- The mentor of a session never changes: whose balance would an intent that is under way credit?
grant select, insert, update (price_minor, currency, title, updated_at) on payments.coaching_sessions to purser_payments;
grant select on payments.coaching_sessions to purser_verifier;

-- An intent's session at the mock is named by its payment too.
create index mock_sessions_payment on payments.mock_sessions (payment_id);

-- What somebody has paid and begun for a session, newest first.
create index payments_of_session on payments.payments (user_id, coaching_session_id, created_at desc, payment_id desc)
    where coaching_session_id is not null;
