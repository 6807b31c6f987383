-- The outbox: events written in the transaction that makes them true; shared/delivery/relay.py publishes them lane by lane.

create table wallet.outbox (
    id bigint generated always as identity primary key,
    lane smallint not null check (lane between 0 and 7),
    message_type text not null,
    -- Events of one key leave in the order of their ids: here the account's id.
    key text not null,
    payload text not null,
    correlation_id text not null,
    created_at timestamptz not null default now(),
    sent_at timestamptz
);

create index outbox_unsent on wallet.outbox (lane, id) where sent_at is null;

-- Who may publish a lane's rows, and until when: one relay at a time.
create table wallet.outbox_lanes (
    lane smallint primary key check (lane between 0 and 7),
    leased_by text,
    leased_until timestamptz
);

insert into wallet.outbox_lanes (lane) select generate_series(0, 7);

grant select, insert, update, delete on wallet.outbox to purser_wallet;
grant select, update on wallet.outbox_lanes to purser_wallet;
grant select on wallet.outbox, wallet.outbox_lanes to purser_verifier;
