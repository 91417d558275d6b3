"""Which sources there are, as servers have them; whose they are; and how their life ends."""
