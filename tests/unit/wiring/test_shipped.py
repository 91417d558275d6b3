"""What is put into every store is whole: a stranger finds beside the reader all that it needs."""

from pathlib import Path

from drorch.wiring import help_files

TOOLS = Path(__file__).parents[3] / "tools"


def test_every_part_of_the_reader_is_put_into_a_store() -> None:
    shipped = help_files()
    parts = sorted(TOOLS.glob("recover*.py"))
    assert len(parts) == 4
    assert {part.name: part.read_bytes() for part in parts}.items() <= shipped.items()
