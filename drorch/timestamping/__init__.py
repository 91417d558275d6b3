"""Time-stamps of an authority that nobody here controls (RFC 3161)."""
