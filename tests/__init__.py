"""Tests, from pure rules to the whole stack under failure; what needs servers starts its own."""
