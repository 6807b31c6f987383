-- For timelines: where an entry and its event are, found by halving, so that the journal and the outbox need no index for it.

-- The version of an account that `p_transfer_id` made at `p_at`; null when it made none. An entry is not older than its transfer, and seldom
-- younger, so the first look is nearly always the last; those of its own batch come before it.
create function wallet.version_of(p_account_id bigint, p_newest bigint, p_transfer_id uuid, p_at timestamptz) returns bigint
language plpgsql stable
set enable_seqscan = off
as $$
declare
    v_before bigint := wallet.version_at(p_account_id, p_newest, p_at - interval '1 microsecond');
begin
    return (
        select version from wallet.entries
        where account_id = p_account_id and version > v_before and transfer_id = p_transfer_id
        order by version
        limit 1
    );
end
$$;

-- The first event that was written at `p_at` or later; above all of them when there is none. Ids and times ascend together but for events
-- that were written at the same time.
create function wallet.outbox_id_at(p_at timestamptz) returns bigint
language plpgsql stable as $$
declare
    v_low bigint := coalesce((select min(id) from wallet.outbox), 1);
    v_high bigint := coalesce((select max(id) from wallet.outbox), 0) + 1;
    v_middle bigint;
    v_found record;
begin
    -- The answer is in v_low … v_high. Ids have gaps: what is looked at is the first one from the middle on.
    while v_low < v_high loop
        v_middle := (v_low + v_high) / 2;
        select id, created_at into v_found from wallet.outbox where id >= v_middle order by id limit 1;
        if not found or v_found.created_at >= p_at then
            v_high := v_middle;
        else
            v_low := v_found.id + 1;
        end if;
    end loop;
    return v_low;
end
$$;

-- The event of one version, written at about `p_at`: no row when it is not kept any more. Ten seconds to both sides are more than a
-- transaction takes from its time to its events.
create function wallet.event_of(p_account_id bigint, p_version bigint, p_at timestamptz)
returns table (message_id uuid, sent_at timestamptz)
language plpgsql stable
set enable_seqscan = off
as $$
declare
    v_first bigint := wallet.outbox_id_at(p_at - interval '10 seconds');
    v_beyond bigint := wallet.outbox_id_at(p_at + interval '10 seconds');
begin
    return query
        select (event.payload::json ->> 'message_id')::uuid, event.sent_at
        from wallet.outbox as event
        where event.id >= v_first and event.id < v_beyond
          and event.key = p_account_id::text
          and event.message_type = 'balance.changed.v1'
          and (event.payload::json ->> 'version')::bigint = p_version
        order by event.id
        limit 1;
end
$$;

revoke execute on function wallet.version_of, wallet.outbox_id_at, wallet.event_of from public;
grant execute on function wallet.version_of, wallet.outbox_id_at, wallet.event_of to purser_wallet;
