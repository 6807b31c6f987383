-- Histories and timelines: when a payment took its steps, where its messages are, and what lists are searched for.

alter table payments.payments
    -- When its session was opened at the provider, and when its status last changed: by the time of the transaction that wrote it.
    add column opened_at timestamptz,
    add column settled_at timestamptz;

create function payments.note_step() returns trigger language plpgsql as $$
begin
    if new.payment_url is distinct from old.payment_url then
        new.opened_at := now();
    end if;
    if new.status <> old.status then
        new.settled_at := now();
    end if;
    return new;
end
$$;

create trigger payments_note_step before update on payments.payments for each row
    when (new.payment_url is distinct from old.payment_url or new.status <> old.status)
    execute function payments.note_step();

-- What an operator looks for among everybody's payments is rare: without these every payment would be looked at.
create index payments_with_refunds on payments.payments (created_at desc, payment_id desc) where refunded_minor > 0;
create index payments_disputed on payments.payments (created_at desc, payment_id desc) where dispute_status is not null;
create index payments_by_external_id on payments.payments (external_id, created_at desc, payment_id desc) where external_id is not null;

create index suspense_items_assigned_payment on payments.suspense_items (assigned_payment_id) where assigned_payment_id is not null;

create index audit_actor on payments.audit (actor, occurred_at desc, audit_id desc);
create index audit_action on payments.audit (action, occurred_at desc, audit_id desc);

-- The first message that was written at `p_at` or later; above all of them when there is none. Ids and times ascend together, but for
-- messages of transactions that were open at the same time.
create function payments.outbox_id_at(p_at timestamptz) returns bigint
language plpgsql stable as $$
declare
    v_low bigint := coalesce((select min(id) from payments.outbox), 1);
    v_high bigint := coalesce((select max(id) from payments.outbox), 0) + 1;
    v_middle bigint;
    v_found record;
begin
    -- The answer is in v_low … v_high. Ids have gaps: what is looked at is the first one from the middle on.
    while v_low < v_high loop
        v_middle := (v_low + v_high) / 2;
        select id, created_at into v_found from payments.outbox where id >= v_middle order by id limit 1;
        if not found or v_found.created_at >= p_at then
            v_high := v_middle;
        else
            v_low := v_found.id + 1;
        end if;
    end loop;
    return v_low;
end
$$;

-- The messages about a payment that were written at about one of `p_moments`, under one of `p_keys`: found by halving, so that the outbox,
-- which every payment writes to, needs no index for it. Ten seconds to both sides are more than a transaction takes.
create function payments.messages_of(p_payment_id uuid, p_keys text[], p_moments timestamptz[])
returns table (message_type text, message_id uuid, correlation_id text, written_at timestamptz, sent_at timestamptz)
language plpgsql stable
set enable_seqscan = off
as $$
declare
    v_span tstzrange;
begin
    for v_span in
        select unnest(range_agg(tstzrange(moment - interval '10 seconds', moment + interval '10 seconds'))) from unnest(p_moments) as moment
    loop
        return query
            select told.message_type, (told.payload::json ->> 'message_id')::uuid, told.correlation_id, told.created_at, told.sent_at
            from payments.outbox as told
            where told.id >= payments.outbox_id_at(lower(v_span)) and told.id < payments.outbox_id_at(upper(v_span))
              and told.key = any(p_keys)
              and told.payload::json ->> 'payment_id' = p_payment_id::text
            order by told.id;
    end loop;
end
$$;

revoke execute on function payments.outbox_id_at, payments.messages_of from public;
grant execute on function payments.outbox_id_at, payments.messages_of to purser_payments;
