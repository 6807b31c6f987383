-- Tickets that have opened a stream: the insert is the single use, over all replicas. Expired ones are pruned, their signature is void.

create table wallet.stream_tickets (
    ticket_id uuid primary key,
    expires_at timestamptz not null
);

create index stream_tickets_expiry on wallet.stream_tickets (expires_at);

grant select, insert, update, delete on wallet.stream_tickets to purser_wallet;
