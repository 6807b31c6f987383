-- Who did what: append-only, by grants and by a trigger that refuses whoever has more.

create table payments.audit (
    audit_id    uuid primary key,
    occurred_at timestamptz not null default clock_timestamp(),
    -- 'user:9', 'guest', 'system'.
    actor       text not null check (length(actor) between 1 and 100),
    action      text not null check (action ~ '^[a-z_]+(\.[a-z_]+)*$'),
    -- What it was done to, e.g. 'withdrawal:0193…'.
    resource    text not null check (length(resource) between 1 and 200),
    -- Figures and reasons; no personal data.
    details     jsonb not null default '{}',
    request_id  text not null
);
create index audit_newest on payments.audit (occurred_at desc, audit_id desc);
create index audit_resource on payments.audit (resource, occurred_at desc);

create function payments.refuse_rewriting() returns trigger language plpgsql as $$
begin
    raise exception '%.% is append-only: % refused', tg_table_schema, tg_table_name, tg_op using errcode = 'insufficient_privilege';
end
$$;

create trigger audit_append_only before update or delete or truncate on payments.audit
    for each statement execute function payments.refuse_rewriting();

grant select, insert on payments.audit to purser_payments;
grant select on payments.audit to purser_verifier;
