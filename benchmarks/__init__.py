"""Measurements beside peers: ``./run bench``. Ratios in one run count; absolute times are this machine's."""
