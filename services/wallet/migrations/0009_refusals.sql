-- Commands that were refused because the balance did not cover them: refused for good. The same command may be on its way twice (its first
-- answer was lost, the broker keeps it); were it refused once and done later, whoever was told no would have paid all the same.

create table wallet.refusals (
    reference text collate "C" primary key check (length(reference) between 3 and 300),
    refused_at timestamptz not null default clock_timestamp()
);

grant select, insert on wallet.refusals to purser_wallet;
grant select on wallet.refusals to purser_verifier;
