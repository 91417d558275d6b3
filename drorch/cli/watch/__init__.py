"""Commands that say how well what was promised is kept, and who hears about it."""
