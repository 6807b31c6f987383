"""The invariants of the book, each one SQL statement that returns the rows that break it, and what asks them."""
