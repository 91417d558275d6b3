"""Evidence in the stores: the ledger, statements, signatures and time-stamps, and checking all of it."""
