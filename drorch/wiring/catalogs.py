"""The catalog that drorch.yaml names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drorch.clock import Clock
from drorch.errors import CatalogError, SettingsInvalid
from drorch.operations.room import private_directory
from drorch.wiring.base import Base

if TYPE_CHECKING:
    from drorch.catalog.interface import Catalog
    from drorch.settings import Settings


class Catalogs(Base):
    """Opens the catalog once."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        super().__init__(settings, clock)
        self._catalog: Catalog | None = None

    def catalog(self) -> Catalog:
        """Return the catalog, made or migrated where needed; raise ``CatalogError``."""
        if self._catalog is None:
            self._catalog = self._open_catalog()
            self._open.callback(self._catalog.close)
        return self._catalog

    def _open_catalog(self) -> Catalog:
        configured = self.settings.catalog
        if configured.url is None:
            from drorch.catalog.sqlite import open_sqlite

            try:
                state = private_directory(self.settings.state_directory, "state")
            except SettingsInvalid as error:
                raise CatalogError(
                    f"the catalog has no place: {error.message}",
                    expected=error.expected,
                    found=error.found,
                    hint=error.hint,
                ) from error
            return open_sqlite(state / "catalog.sqlite")
        from drorch.catalog.postgresql import open_postgresql

        return open_postgresql(configured.url, password=self._text(configured.password))
