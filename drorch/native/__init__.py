"""The two loops of a backup that run once a row, in C where a compiler was at hand; each has an exact twin in Python."""
