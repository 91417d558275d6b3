"""PostgreSQL 11 to 18: one consistent snapshot out, one whole database in.

Read in this order: ``location`` (where), ``session`` (how we talk), ``inventory`` (what there is), ``capture`` (out),
``target`` (in). Nothing here imports anything of drorch but the contract and the foundation.
"""

from drorch.errors import SourceUnsupported

try:
    import psycopg  # noqa: F401 - whether it is there
except ImportError as error:
    raise SourceUnsupported(
        "this drorch was installed without PostgreSQL",
        expected="the Python package psycopg",
        found=str(error),
        hint="install drorch with its extra: pip install 'drorch[postgresql]'",
    ) from error
