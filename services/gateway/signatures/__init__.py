"""Is this webhook what its provider sent? Pure functions over the raw bytes, one module a provider, blind to an event's meaning."""
