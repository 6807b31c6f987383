"""What the operator's pages have in common: who may see them, and what things are called there."""
