-- Holds: money of a user that is on its way out. It moves to an account of its own, 'held' of the same user, and from there to where it
-- goes or back. So every movement stays a transfer between two accounts, and what a user has held is the sum of that account's transfers.

alter table wallet.accounts
    drop constraint accounts_kind_check,
    add constraint accounts_kind_check check (kind in ('user', 'held', 'clearing', 'fees', 'revenue', 'loss', 'suspense')),
    -- Of a 'held' account: the user's account, whose held_minor is its running balance and whose versions tell its changes.
    add column holder_id bigint constraint accounts_holder references wallet.accounts (account_id),
    add constraint accounts_held_has_a_holder check ((kind = 'held') = (holder_id is not null));

-- One row a hold. What it was asked to be, so that the same reference with other facts is noticed, and what became of it.
create table wallet.holds (
    -- Its transfers are named after it: {reference}, {reference}:settle and {reference}:settle#n, {reference}:release.
    reference text collate "C" primary key check (length(reference) between 3 and 280),
    state text not null check (state in ('held', 'settled', 'released')),
    -- The user's account. Null, as all that was never asked: released before it came.
    account_id bigint constraint holds_account references wallet.accounts (account_id),
    kind text collate "C",
    asked_minor bigint check (asked_minor > 0),
    up_to boolean,
    payment_id uuid,
    description text not null check (length(description) <= 500),
    -- What is held, or was: perhaps less than asked for, perhaps nothing.
    amount_minor bigint not null check (amount_minor >= 0),
    correlation_id text not null check (length(correlation_id) <= 128),
    created_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    constraint holds_as_asked check (
        case when account_id is null then state = 'released' and amount_minor = 0 and num_nonnulls(kind, asked_minor, up_to) = 0
             else num_nonnulls(kind, asked_minor, up_to) = 3 and (amount_minor = asked_minor or up_to and amount_minor < asked_minor)
        end
    ),
    constraint holds_ended check ((state = 'held') = (ended_at is null))
);

-- A hold is settled or released once, never both: whoever tries is refused, whatever it believed.
create function wallet.refuse_to_end_twice() returns trigger language plpgsql as $$
begin
    if old.state <> 'held' then
        raise exception 'hold % is % already', old.reference, old.state using errcode = 'integrity_constraint_violation';
    end if;
    return new;
end
$$;

create trigger holds_end_once before update on wallet.holds for each row execute function wallet.refuse_to_end_twice();

grant select, insert on wallet.holds to purser_wallet;
grant update (state, ended_at) on wallet.holds to purser_wallet;
grant select on wallet.holds to purser_verifier;

-- Makes the accounts that are missing; arguments are columns, as those of wallet.post_transfers. A 'held' account's holder is made with it.
--
-- A name that another transaction is making right now makes this one wait for it; in order of name, those that hold after all others, so
-- that no two wait for each other. Whoever locks accounts makes the missing ones first.
create function wallet.make_accounts(p_kinds text[], p_owners text[], p_currencies text[]) returns void
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
begin
    insert into wallet.accounts (kind, owner, currency, available_minor, held_minor, version)
    select named.kind, named.owner, named.currency,
           case when named.kind = 'user' then 0 end, case when named.kind = 'user' then 0 end, case when named.kind = 'user' then 0 end
    from (
        select distinct case item.kind when 'held' then 'user' else item.kind end as kind, item.owner, item.currency
        from unnest(p_kinds, p_owners, p_currencies) as item (kind, owner, currency)
    ) as named
    where not exists (
        select from wallet.accounts as known
        where known.kind = named.kind and known.owner = named.owner and known.currency = named.currency
    )
    order by named.kind collate "C", named.owner collate "C", named.currency collate "C"
    on conflict (kind, owner, currency) do nothing;

    if 'held' = any (p_kinds) then
        insert into wallet.accounts (kind, owner, currency, holder_id)
        select 'held', holder.owner, holder.currency, holder.account_id
        from (
            select distinct item.owner, item.currency
            from unnest(p_kinds, p_owners, p_currencies) as item (kind, owner, currency)
            where item.kind = 'held'
        ) as named
        join wallet.accounts as holder on holder.kind = 'user' and holder.owner = named.owner and holder.currency = named.currency
        where not exists (
            select from wallet.accounts as known
            where known.kind = 'held' and known.owner = named.owner and known.currency = named.currency
        )
        order by holder.owner collate "C", holder.currency collate "C"
        on conflict (kind, owner, currency) do nothing;
    end if;
end
$$;

revoke execute on function wallet.make_accounts from public;
grant execute on function wallet.make_accounts to purser_wallet;
