"""The catalog in SQL. ``catalog.sqlite`` and ``catalog.postgresql`` open it."""

from __future__ import annotations

from drorch.catalog.sql_alerts import SqlAlerts
from drorch.catalog.sql_contacts import SqlContacts
from drorch.catalog.sql_drills import SqlDrills
from drorch.catalog.sql_history import SqlHistory
from drorch.catalog.sql_listing import SqlListing
from drorch.catalog.sql_observations import SqlObservations
from drorch.catalog.sql_occurrences import SqlOccurrences
from drorch.catalog.sql_sources import SqlSources


class SqlCatalog(
    SqlAlerts, SqlContacts, SqlDrills, SqlHistory, SqlListing, SqlObservations, SqlOccurrences, SqlSources
):
    """See ``catalog.interface.Catalog``."""
