-- What is held right now, of everybody: few, among all holds that ever were.

create index holds_live on wallet.holds (created_at) where state = 'held';
