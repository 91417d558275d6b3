"""Invented systems of a dissolved district, which the demo backs up: nobody and nothing in them exists."""
