"""What the page of one payment shows: its facts, its refunds, its road, and what its visitor may do about it."""
