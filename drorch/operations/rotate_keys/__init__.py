"""Change who may read and write: trust records and key bundles after the founding of a repository."""
