"""Keep the book of occurrences: what fell due, waits, runs and ended, in the catalog before anything is done about it."""
