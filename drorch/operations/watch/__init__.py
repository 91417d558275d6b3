"""What needs a person, who hears about it, and how well what was promised is kept."""
