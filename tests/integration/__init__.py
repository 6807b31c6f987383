"""Tests against the real PostgreSQL and RabbitMQ."""
