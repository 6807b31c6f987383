"""Random payments on the running services, compared with a model in memory after each step."""
