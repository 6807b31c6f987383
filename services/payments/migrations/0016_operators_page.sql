-- What an operator's page asks over all payments, refunds, withdrawals and disputes: a day's money, and what does not get on.

-- By blocks: the paid ones of a day lie together, and payments are written too often for one more tree.
create index payments_completed on payments.payments using brin (completed_at) with (pages_per_range = 16, autosummarize = on);

-- What is pending, the oldest first: few, among all that ever were.
create index payments_pending on payments.payments (created_at) where status = 'pending';

create index refunds_settled on payments.refunds (settled_at) where state = 'succeeded';
create index suspense_items_refunded on payments.suspense_items (settled_at) where status = 'refunded';
create index withdrawals_paid on payments.withdrawals (updated_at) where status = 'paid';
-- Approved, and to be paid by hand: the only ones on their way that nothing looks at again.
create index withdrawals_by_hand on payments.withdrawals (updated_at) where step = 'sending' and next_at is null;
create index disputes_open on payments.disputes (created_at) where state = 'open';

-- What changes payments of long ago: refunds that failed after they had been made, and disputes.
create index refunds_reversed on payments.refunds (updated_at) where state = 'failed' and settled_at is not null;
create index disputes_changed on payments.disputes (updated_at);
