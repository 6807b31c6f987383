-- Orders: what was bought by whom, which payment paid it, and how far its delivery is.

create table payments.orders (
    -- The order's secret: whoever knows it may see the order.
    order_id          uuid primary key,
    product           text not null check (length(product) between 1 and 64),
    -- Who made it, as for idempotency keys; user_id only where they were signed in.
    caller            text not null check (length(caller) between 1 and 100),
    user_id           text,
    -- Personal data, sealed (shared/sealing.py): e-mail and phone; what the product is made from; what was made.
    contact           bytea not null,
    points            bytea not null,
    text              bytea,
    locale            text not null,
    title             text not null,
    amount_minor      bigint not null check (amount_minor between 1 and 1000000000000000),
    currency          text not null check (currency ~ '^[a-z]{3}$'),
    -- 'none': nothing to deliver; 'waiting' for the payment; 'due' since it was paid.
    fulfilment        text not null check (fulfilment in ('none', 'waiting', 'due', 'fulfilled', 'failed')),
    failure           text,
    next_at           timestamptz,
    attempts          int not null default 0,
    paid_payment_id   uuid unique references payments.payments (payment_id),
    -- Paid by an admin's word; matched: the provider has told its own of it since.
    marked_reference  text check (length(marked_reference) between 1 and 200),
    matched           boolean not null default false,
    external_id       text check (length(external_id) between 1 and 255),
    -- False once another order may have its external_id: it was refused, or nobody can pay it any more.
    external_id_held  boolean not null default false,
    metadata          jsonb not null default '{}',
    -- Why it was refused, as the requester was or will be told.
    refusal           jsonb,
    correlation_id    text not null,
    created_at        timestamptz not null default now(),
    updated_at        timestamptz not null default now(),
    check ((fulfilment = 'fulfilled') = (text is not null)),
    check (case fulfilment when 'none' then true when 'waiting' then paid_payment_id is null else paid_payment_id is not null end),
    check (next_at is null or fulfilment = 'due'),
    check (not matched or marked_reference is not null),
    check (marked_reference is null or paid_payment_id is not null),
    check (refusal is null or paid_payment_id is null and not external_id_held),
    check (external_id is not null or not external_id_held)
);

create unique index orders_external_id on payments.orders (caller, external_id) where external_id_held;
create index orders_due on payments.orders (next_at) where next_at is not null;
create index orders_failed on payments.orders (order_id) where fulfilment = 'failed';

-- However many sessions an order has had: one of them pays it. What comes on another one is not the order's.
create unique index payments_one_pays_an_order on payments.payments (order_id) where order_id is not null and status = 'completed';

-- No order stays unpaid beside its completed payment, whatever completes it.
create function payments.refuse_unpaid_order() returns trigger language plpgsql as $$
begin
    if exists (select from payments.orders where order_id = new.order_id and paid_payment_id is distinct from new.payment_id) then
        raise exception 'payment % is completed, its order % is not paid by it', new.payment_id, new.order_id
            using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end
$$;

create constraint trigger payments_pay_their_order after update of status on payments.payments
    deferrable initially deferred for each row
    when (new.order_id is not null and new.status = 'completed' and old.status <> 'completed')
    execute function payments.refuse_unpaid_order();

grant select, insert, update on payments.orders to purser_payments;
grant select on payments.orders to purser_verifier;
