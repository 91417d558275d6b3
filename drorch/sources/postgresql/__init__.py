"""PostgreSQL 11 to 18: one consistent snapshot out, one whole database in.

Read in this order: ``location`` (where), ``session`` (how we talk), ``inventory`` (what there is), ``capture`` (out),
``target`` (in). Nothing here imports anything of drorch but the contract and the foundation.
"""
