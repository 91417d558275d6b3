"""Any engine for which there is a program that writes a backup to its standard output, and one that reads it."""
