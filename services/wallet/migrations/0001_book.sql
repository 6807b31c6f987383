-- The book: accounts, transfers between them, and the entries of the accounts that keep a running balance.
--
-- Double entry by form: a transfer moves one positive amount from its source to its target, both in its own currency, so nothing can be
-- written that does not sum to zero. Text keys are compared byte by byte (collate "C"): cheaper, and the same on every server.

create schema if not exists wallet;

create table wallet.accounts (
    account_id bigint generated always as identity primary key,
    -- 'user' accounts keep a running balance and a version. The platform's own keep none: every batch touches them, and a row's lock would
    -- make all batches wait for one another. Their sums come from the transfers.
    kind text collate "C" not null check (kind in ('user', 'clearing', 'fees', 'revenue', 'loss', 'suspense')),
    -- The user's id, or for the platform's own what it is an account of: a provider, or 'platform'.
    owner text collate "C" not null check (length(owner) between 1 and 64),
    currency text collate "C" not null check (currency ~ '^[a-z]{3}$'),
    available_minor bigint,
    -- Reserved for money on its way out; nothing moves it yet.
    held_minor bigint check (held_minor >= 0),
    -- Of the newest entry; 0 before the first.
    version bigint check (version >= 0),
    updated_at timestamptz,
    constraint accounts_once unique (kind, owner, currency),
    -- What the transfers' composite foreign keys point at.
    constraint accounts_currency unique (account_id, currency),
    constraint accounts_running_balance check (
        (kind = 'user') = (available_minor is not null and held_minor is not null and version is not null)
    )
) with (fillfactor = 70);  -- room for the next version of a row on its own page: updates then touch no index

create table wallet.transfers (
    transfer_id uuid primary key,
    -- What makes it the same transfer however often it is asked for: exactly once is this constraint.
    reference text collate "C" not null check (length(reference) between 3 and 300),
    kind text collate "C" not null check (kind ~ '^[a-z_]{1,32}$'),
    source_id bigint not null,
    target_id bigint not null,
    amount_minor bigint not null constraint transfers_amount_positive check (amount_minor > 0),
    currency text collate "C" not null,
    payment_id uuid,
    description text not null check (length(description) <= 500),
    correlation_id text not null check (length(correlation_id) <= 128),
    occurred_at timestamptz not null,
    created_at timestamptz not null,
    constraint transfers_reference unique (reference),
    constraint transfers_two_accounts check (source_id <> target_id),
    -- Both accounts are of the transfer's own currency.
    constraint transfers_source foreign key (source_id, currency) references wallet.accounts (account_id, currency),
    constraint transfers_target foreign key (target_id, currency) references wallet.accounts (account_id, currency)
);

-- One row a change of a user's account. Its key is the only index: lists seek it by version, and a time is found by halving, since
-- created_at never goes back within an account (see wallet.version_at). It has no foreign keys: they would cost a tenth of the ledger's
-- speed, only wallet.post_transfers writes here, and the verifier compares every entry with its account and its transfer.
create table wallet.entries (
    account_id bigint not null,
    version bigint not null check (version > 0),
    transfer_id uuid not null,
    kind text collate "C" not null,
    change_minor bigint not null,
    held_change_minor bigint not null default 0,
    available_after_minor bigint not null,
    held_after_minor bigint not null check (held_after_minor >= 0),
    created_at timestamptz not null,
    constraint entries_pkey primary key (account_id, version),
    -- Only a dispute takes money that is gone; what comes in afterwards may leave the balance below zero still.
    constraint entries_sufficient_funds check (available_after_minor >= 0 or change_minor >= 0 or kind = 'dispute')
);

-- The journal is append-only twice over: the service's role is not granted more, and a trigger refuses whoever is.
create function wallet.refuse_rewriting() returns trigger language plpgsql as $$
begin
    raise exception 'the journal is append-only: % on %.% refused', tg_op, tg_table_schema, tg_table_name
        using errcode = 'insufficient_privilege', hint = 'a mistake is put right by a new, opposite transfer';
end
$$;

create trigger transfers_append_only before update or delete or truncate on wallet.transfers
    for each statement execute function wallet.refuse_rewriting();
create trigger entries_append_only before update or delete or truncate on wallet.entries
    for each statement execute function wallet.refuse_rewriting();

grant usage on schema wallet to purser_wallet, purser_verifier;
grant select, insert on wallet.transfers, wallet.entries to purser_wallet;
grant select, insert, update on wallet.accounts to purser_wallet;
grant select on wallet.accounts, wallet.transfers, wallet.entries to purser_verifier;
