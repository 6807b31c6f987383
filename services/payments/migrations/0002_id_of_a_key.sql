-- What a key's first request began, so that a repeat goes on with it: ids are made with SECRET_KEY, which may have changed since.

alter table payments.idempotency_keys add column payment_id uuid;
