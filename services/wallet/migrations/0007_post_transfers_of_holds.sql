-- Posts a batch of transfers in one call: the only way in which money moves. As in 0003, and now between a user's account and what that
-- user has held, too.
--
-- Arguments are columns: item n of the batch is element n of every array. An account is named by kind and owner, its currency is the
-- transfer's; missing ones are made. Message ids (UUIDv7, the caller's) are used for the sides that move a user's balance, else ignored.
--
-- A user's account has one entry a transfer that moves it: money that is held of it or given back moves available and held in the same
-- entry; held money that leaves moves held alone.
--
-- Returns one outcome an item, in the batch's order:
--   posted     the transfer is in the journal now, with its entries, balances and events
--   duplicate  its reference was posted before (earlier in this batch counts) with the same facts: nothing happened
--   conflict   its reference was posted before with other facts: nothing happened, and somebody must look
-- Raises check_violation on entries_sufficient_funds when a transfer would take more than its source has; then nothing of the batch happens.
--
-- Called in READ COMMITTED: every statement below sees what was committed before it began, so what is read after the locks is current.
-- Free of deadlocks, because every batch takes its locks in the same order: new accounts by name, then users' accounts by id, then
-- references by text. A later kind of lock is never held while an earlier one is waited for. (Holds lie between: an account's lock, then
-- the hold, then references.)
--
-- The settings fix the shape of the plans, which each connection makes once and keeps: lookups by index, however small the tables were
-- when it was made; and no join of two lists of the batch's size by comparing all pairs.
create or replace function wallet.post_transfers(
    p_transfer_ids uuid[],
    p_references text[],
    p_kinds text[],
    p_source_kinds text[],
    p_source_owners text[],
    p_target_kinds text[],
    p_target_owners text[],
    p_amounts_minor bigint[],
    p_currencies text[],
    p_payment_ids uuid[],
    p_descriptions text[],
    p_correlation_ids text[],
    p_occurred_at timestamptz[],
    p_source_message_ids uuid[],
    p_target_message_ids uuid[]
) returns text[]
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
    v_count constant int := coalesce(cardinality(p_references), 0);
    v_source_ids bigint[];
    v_target_ids bigint[];
    -- The users' accounts whose balance the sides move: of what is held, its holder's. (The platform's sides are never looked at.)
    v_source_mover_ids bigint[];
    v_target_mover_ids bigint[];
    v_now timestamptz;
    v_inserted uuid[];
    v_is_posted boolean[];  -- null: all of them, the usual case
    v_outcomes text[];
begin
    if v_count > 1000 then
        raise exception 'a batch holds at most 1000 transfers, not %', v_count using errcode = 'program_limit_exceeded';
    end if;
    if v_count = 0 then
        return '{}';
    end if;

    -- 1. Accounts. Tried without making any first: they are nearly always there.
    for v_attempt in 1..2 loop
        select array_agg(source.account_id order by item.position), array_agg(target.account_id order by item.position)
        into v_source_ids, v_target_ids
        from unnest(p_source_kinds, p_source_owners, p_target_kinds, p_target_owners, p_currencies)
             with ordinality as item (source_kind, source_owner, target_kind, target_owner, currency, position)
        left join wallet.accounts as source
               on source.kind = item.source_kind and source.owner = item.source_owner and source.currency = item.currency
        left join wallet.accounts as target
               on target.kind = item.target_kind and target.owner = item.target_owner and target.currency = item.currency;
        exit when array_position(v_source_ids, null) is null and array_position(v_target_ids, null) is null;

        perform wallet.make_accounts(p_source_kinds || p_target_kinds, p_source_owners || p_target_owners, p_currencies || p_currencies);
    end loop;
    v_source_mover_ids := v_source_ids;
    v_target_mover_ids := v_target_ids;
    if 'held' = any (p_source_kinds) or 'held' = any (p_target_kinds) then
        select array_agg(coalesce(source.holder_id, source.account_id) order by item.position),
               array_agg(coalesce(target.holder_id, target.account_id) order by item.position)
        into v_source_mover_ids, v_target_mover_ids
        from unnest(v_source_ids, v_target_ids) with ordinality as item (source_id, target_id, position)
        join wallet.accounts as source on source.account_id = item.source_id
        join wallet.accounts as target on target.account_id = item.target_id;
    end if;

    -- 2. Lock the users' accounts, in order of id. Foreign key checks of other batches do not wait for this kind of lock.
    perform
    from wallet.accounts as account
    where account.account_id in (
        select mover_id from unnest(v_source_mover_ids, p_source_kinds) as item (mover_id, kind) where kind in ('user', 'held')
        union
        select mover_id from unnest(v_target_mover_ids, p_target_kinds) as item (mover_id, kind) where kind in ('user', 'held')
    )
    order by account.account_id
    for no key update;
    -- Taken after the locks, so that within an account a later version has no earlier time.
    v_now := clock_timestamp();

    -- 3. The journal. The constraint decides what is new; of equals within the batch the first one is.
    with inserted as (
        insert into wallet.transfers (
            transfer_id, reference, kind, source_id, target_id, amount_minor, currency, payment_id, description, correlation_id,
            occurred_at, created_at
        )
        select item.transfer_id, item.reference, item.kind, item.source_id, item.target_id, item.amount_minor, item.currency,
               item.payment_id, item.description, item.correlation_id, item.occurred_at, v_now
        from unnest(
                 p_transfer_ids, p_references, p_kinds, v_source_ids, v_target_ids, p_amounts_minor, p_currencies, p_payment_ids,
                 p_descriptions, p_correlation_ids, p_occurred_at
             ) with ordinality as item (
                 transfer_id, reference, kind, source_id, target_id, amount_minor, currency, payment_id, description, correlation_id,
                 occurred_at, position
             )
        order by item.reference collate "C", item.position
        on conflict (reference) do nothing
        returning transfer_id
    )
    select coalesce(array_agg(transfer_id), '{}') into v_inserted from inserted;

    if cardinality(v_inserted) = v_count then
        v_outcomes := array_fill('posted'::text, array[v_count]);
    else
        -- Some were not new. Compared with what the journal has, which this statement sees whoever wrote it.
        select array_agg(is_posted order by position),
               array_agg(case when is_posted then 'posted' when is_same then 'duplicate' else 'conflict' end order by position)
        into v_is_posted, v_outcomes
        from (
            select item.position,
                   item.transfer_id = any (v_inserted)
                   and row_number() over (partition by item.transfer_id order by item.position) = 1 as is_posted,
                   (known.kind, known.source_id, known.target_id, known.amount_minor, known.currency)
                   = (item.kind, item.source_id, item.target_id, item.amount_minor, item.currency)
                   and known.payment_id is not distinct from item.payment_id as is_same
            from unnest(
                     p_transfer_ids, p_references, p_kinds, v_source_ids, v_target_ids, p_amounts_minor, p_currencies, p_payment_ids
                 ) with ordinality as item (
                     transfer_id, reference, kind, source_id, target_id, amount_minor, currency, payment_id, position
                 )
            join wallet.transfers as known on known.reference = item.reference
        ) as compared;
        if cardinality(v_inserted) = 0 then
            return v_outcomes;
        end if;
    end if;

    -- 4. Entries, balances and events of the new transfers, in the batch's order: versions and running balances count on from the
    --    account's last. A transfer has two different accounts; when one is what the other has held, it is one change of both balances,
    --    the source's. So (account, position) is one change.
    with change as (
        select item.position, item.mover_id as account_id, item.transfer_id, item.kind,
               case when item.account_kind = 'user' then -item.amount_minor
                    when item.mover_id = item.target_mover_id then item.amount_minor else 0 end as change_minor,
               case when item.account_kind = 'held' then -item.amount_minor
                    when item.mover_id = item.target_mover_id then item.amount_minor else 0 end as held_change_minor,
               item.payment_id, item.correlation_id, item.source_message_id as message_id
        from unnest(
                 p_source_kinds, v_source_mover_ids, v_target_mover_ids, p_transfer_ids, p_kinds, p_amounts_minor, p_payment_ids,
                 p_correlation_ids, p_source_message_ids
             ) with ordinality as item (
                 account_kind, mover_id, target_mover_id, transfer_id, kind, amount_minor, payment_id, correlation_id, source_message_id,
                 position
             )
        where item.account_kind in ('user', 'held') and (v_is_posted is null or v_is_posted[item.position])
        union all
        select item.position, item.mover_id, item.transfer_id, item.kind,
               case when item.account_kind = 'user' then item.amount_minor else 0 end,
               case when item.account_kind = 'held' then item.amount_minor else 0 end,
               item.payment_id, item.correlation_id, item.target_message_id
        from unnest(
                 p_target_kinds, v_target_mover_ids, v_source_mover_ids, p_transfer_ids, p_kinds, p_amounts_minor, p_payment_ids,
                 p_correlation_ids, p_target_message_ids
             ) with ordinality as item (
                 account_kind, mover_id, source_mover_id, transfer_id, kind, amount_minor, payment_id, correlation_id, target_message_id,
                 position
             )
        where item.account_kind in ('user', 'held') and item.mover_id <> item.source_mover_id
          and (v_is_posted is null or v_is_posted[item.position])
    ),
    running as materialized (
        select change.*, account.owner, account.currency,
               account.version + row_number() over in_order as version,
               (account.available_minor + sum(change.change_minor) over in_order)::bigint as available_after_minor,
               (account.held_minor + sum(change.held_change_minor) over in_order)::bigint as held_after_minor,
               -- The server's clock may be set back; an account's time may not.
               greatest(v_now, account.updated_at) as created_at,
               row_number() over (partition by change.account_id order by change.position desc) = 1 as is_newest
        from change
        join wallet.accounts as account on account.account_id = change.account_id
        window in_order as (partition by change.account_id order by change.position)
    ),
    entered as (
        insert into wallet.entries (
            account_id, version, transfer_id, kind, change_minor, held_change_minor, available_after_minor, held_after_minor, created_at
        )
        select account_id, version, transfer_id, kind, change_minor, held_change_minor, available_after_minor, held_after_minor, created_at
        from running
    ),
    moved as (
        update wallet.accounts as account
        set available_minor = running.available_after_minor, held_minor = running.held_after_minor, version = running.version,
            updated_at = running.created_at
        from running
        where account.account_id = running.account_id and running.is_newest
    )
    -- The payload is what shared/contracts/wallet_events.BalanceChanged reads.
    insert into wallet.outbox (lane, message_type, key, payload, correlation_id, created_at)
    select (hashtext(account_id::text) & 2147483647) % 8,
           'balance.changed.v1',
           account_id::text,
           -- to_json quotes what is free text; the rest cannot hold a quote. (format is half the price of json_build_object.)
           format(
               '{"type":"balance.changed.v1","message_id":"%s","correlation_id":%s,"occurred_at":%s,"user_id":%s,"currency":"%s",'
               '"available_minor":%s,"held_minor":%s,"version":%s,"change_minor":%s,"kind":"%s","payment_id":%s}',
               message_id, to_json(correlation_id), to_json(created_at), to_json(owner), currency,
               available_after_minor, held_after_minor, version, change_minor, kind, coalesce(to_json(payment_id)::text, 'null')
           ),
           correlation_id,
           v_now
    from running
    order by position, account_id;

    perform pg_notify('wallet_outbox', '');
    return v_outcomes;
end
$$;
