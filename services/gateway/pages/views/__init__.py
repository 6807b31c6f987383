"""The pages' routes, one file a page."""
