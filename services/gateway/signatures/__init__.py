"""Is this webhook what its provider sent? Pure functions over the raw bytes, one module a provider; nothing here reads an event's meaning."""
