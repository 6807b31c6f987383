"""What wallet does with what arrives: one module a kind of work."""
