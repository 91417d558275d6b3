"""MariaDB 10.6 and newer: one consistent snapshot out, one whole database in.

Read in this order: ``location`` (where), ``session`` (how we talk), ``inventory`` (what there is), ``capture`` (out),
``target`` (in). Nothing here imports anything of drorch but the contract and the foundation.
"""

from drorch.errors import SourceUnsupported

try:
    import pymysql  # noqa: F401 - whether it is there
except ImportError as error:
    raise SourceUnsupported(
        "this drorch was installed without MariaDB",
        expected="the Python package PyMySQL",
        found=str(error),
        hint="install drorch with its extra: pip install 'drorch[mariadb]'",
    ) from error
