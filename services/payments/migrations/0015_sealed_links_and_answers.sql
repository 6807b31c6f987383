-- Payment links and kept answers are sealed (shared/sealing.py): a link may name the payer, an answer holds it, client secrets and accounts.
-- The readable columns stay for rows that were written before; nothing is written to them any more.

alter table payments.payments
    -- Where the payer goes on; only one of the two is there.
    add column sealed_url bytea;

alter table payments.idempotency_keys
    -- The first final answer; only one of the two is there.
    add column sealed_answer bytea;

drop trigger payments_note_step on payments.payments;

-- A session is opened when there was no link to it and there is one now; that a link goes opens nothing.
create or replace function payments.note_step() returns trigger language plpgsql as $$
begin
    if num_nonnulls(old.payment_url, old.sealed_url) = 0 and num_nonnulls(new.payment_url, new.sealed_url) > 0 then
        new.opened_at := now();
    end if;
    if new.status <> old.status then
        new.settled_at := now();
    end if;
    return new;
end
$$;

create trigger payments_note_step before update on payments.payments for each row
    when (
        new.sealed_url is distinct from old.sealed_url or new.payment_url is distinct from old.payment_url or new.status <> old.status
    )
    execute function payments.note_step();
