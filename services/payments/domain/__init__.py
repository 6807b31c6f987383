"""What payments decides, and why: pure decisions over immutable values, no I/O. One module a subject."""
