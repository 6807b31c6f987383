-- Payments of sessions and orders beside deposits, what goes back of them, and what their makers call them; raw events sealed.

alter table payments.payments
    drop constraint payments_kind_check,
    add constraint payments_kind_check check (kind in ('deposit', 'payment', 'order')),
    -- The payer; a guest has no id.
    alter column user_id drop not null,
    -- Whose session is paid, and which one.
    add column mentor_id text,
    add column coaching_session_id text,
    add column order_id uuid,
    -- Stays with the platform when the rest is credited.
    add column fee_minor bigint not null default 0,
    -- On its way back, and back.
    add column refunding_minor bigint not null default 0,
    add column refunded_minor bigint not null default 0,
    add column dispute_status text check (dispute_status in ('open', 'won', 'lost')),
    -- Who made it, as for idempotency keys; external_id is unique within it.
    add column caller text not null default '',
    add column external_id text check (length(external_id) between 1 and 255),
    -- False once another payment may have its external_id: it was refused, or nobody can pay it any more. It stays so when money comes
    -- all the same: the proof finds its payment by the session.
    add column external_id_held boolean not null default false,
    add column metadata jsonb not null default '{}',
    add constraint payments_fee_below_amount check (fee_minor >= 0 and fee_minor < amount_minor),
    -- However many refunds overlap: what is back and on its way back is never more than what was paid.
    add constraint payments_back_at_most_paid check (
        refunding_minor >= 0 and refunded_minor >= 0 and refunding_minor + refunded_minor <= amount_minor
    ),
    add constraint payments_only_paid_goes_back check (status = 'completed' or (refunding_minor = 0 and refunded_minor = 0 and dispute_status is null)),
    add constraint payments_named_by_kind check (
        refusal is not null
        or case kind
               when 'deposit' then user_id is not null and mentor_id is null and order_id is null
               when 'payment' then user_id is not null and mentor_id is not null and coaching_session_id is not null and order_id is null
               when 'order' then order_id is not null and mentor_id is null
           end
    );

alter table payments.payments
    add constraint payments_holds_what_it_has check (external_id is not null or not external_id_held),
    add constraint payments_holds_while_it_can_be_paid check (status in ('pending', 'completed') or not external_id_held);

-- A refused, failed, canceled or expired request frees its external_id.
create unique index payments_external_id on payments.payments (caller, kind, external_id) where external_id_held;

create index payments_of_payer on payments.payments (user_id, created_at desc, payment_id desc);
create index payments_of_mentor on payments.payments (mentor_id, created_at desc, payment_id desc) where mentor_id is not null;
create index payments_of_all on payments.payments (created_at desc, payment_id desc);
create index payments_of_order on payments.payments (order_id) where order_id is not null;

-- A raw event is personal data: from here on it is sealed (shared/sealing.py). The stand-in's earlier ones were not, and go.
alter table payments.provider_events
    drop column headers,
    drop column body,
    add column sealed bytea;

alter table payments.mock_sessions
    drop constraint mock_sessions_outcome_check,
    add constraint mock_sessions_outcome_check check (outcome in ('success', 'failure', 'canceled')),
    -- A guest's session is authorised by knowing it.
    alter column owner drop not null;

-- What a key's first request began is not only a payment.
alter table payments.idempotency_keys rename column payment_id to resource_id;
