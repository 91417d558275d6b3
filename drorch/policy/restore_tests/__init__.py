"""Restore tests: how a promise is proven. Model, field table, and from texts to checked values; like policies."""
