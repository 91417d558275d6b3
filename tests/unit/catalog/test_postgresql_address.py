"""The address of a catalog is shown without its password, however that was written."""

from __future__ import annotations

import pytest

from drorch.catalog.postgresql import without_password


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://drorch:hunter2@db1/catalog", "postgresql://drorch:***@db1/catalog"),
        ("postgresql://drorch:hun/ter@2@db1/catalog", "postgresql://drorch:***@db1/catalog"),
        ("postgresql://db1/catalog?user=x&password=hunter2", "postgresql://db1/catalog?user=x&password=***"),
        ("postgresql://drorch@db1:5433/catalog", "postgresql://drorch@db1:5433/catalog"),
        ("postgresql://db1:5433/catalog?application_name=a@b", "postgresql://db1:5433/catalog?application_name=a@b"),
    ],
)
def test_no_password_is_shown(address: str, shown: str) -> None:
    assert without_password(address) == shown
