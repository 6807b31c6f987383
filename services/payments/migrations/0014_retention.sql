-- Personal data goes after its time (RETENTION_DAYS): raw provider events, contacts and what products were made from, bank accounts, and
-- payment links, which may name the payer. What happened stays, without whom it happened to.

alter table payments.provider_events
    add column pruned_at timestamptz,
    add constraint provider_events_pruned check (pruned_at is null or sealed is null);

alter table payments.orders
    alter column contact drop not null,
    alter column points drop not null,
    add column pruned_at timestamptz,
    -- Both or neither.
    add constraint orders_pruned check (num_nonnulls(contact, points) = case when pruned_at is null then 2 else 0 end);

alter table payments.withdrawals
    alter column destination drop not null,
    add column pruned_at timestamptz,
    add constraint withdrawals_pruned check ((destination is null) = (pruned_at is not null));

-- What is left to go, the oldest first.
create index provider_events_to_prune on payments.provider_events (stored_at) where sealed is not null;
create index orders_to_prune on payments.orders (created_at) where pruned_at is null;
create index withdrawals_to_prune on payments.withdrawals (created_at) where pruned_at is null;

-- A kept answer holds the payment link, too.
create index idempotency_keys_resource on payments.idempotency_keys (resource_id) where resource_id is not null;

-- A link that goes is no session that was opened.
create or replace function payments.note_step() returns trigger language plpgsql as $$
begin
    if new.payment_url is distinct from old.payment_url and new.payment_url is not null then
        new.opened_at := now();
    end if;
    if new.status <> old.status then
        new.settled_at := now();
    end if;
    return new;
end
$$;
