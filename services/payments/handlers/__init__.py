"""One module a capability: read, decide (domain.py), write and tell, in one transaction; around a provider call, two."""
