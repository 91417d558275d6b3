"""SQLite: one database file, captured row by row in one read transaction."""
