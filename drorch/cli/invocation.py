"""What every command has in common: its options, and the wiring that it works with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from drorch.cli.output import Output
from drorch.environment import forget_session_variables, process_environment
from drorch.settings import Settings, default_settings, has_settings_file, load_settings
from drorch.wiring import Wiring

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """How a command was called: which drorch.yaml, and how it is to answer."""

    config: Path | None
    output: Output

    def settings(self) -> Settings:
        """Return the settings of the drorch.yaml that counts; raise ``SettingsInvalid``."""
        return load_settings(self.config, process_environment())

    def settings_or_bare(self) -> Settings:
        """Return the settings, or the defaults of a bare machine when there is no drorch.yaml."""
        environment = process_environment()
        return self.settings() if has_settings_file(self.config, environment) else default_settings(environment)

    @contextmanager
    def wiring(self, settings: Settings | None = None) -> Iterator[Wiring]:
        """Yield the wiring of the settings; everything that it opened is closed at the end."""
        with Wiring(settings or self.settings()) as wiring:
            yield wiring


def common_options(function: F) -> F:
    """Add ``--config``, ``--json`` and ``--quiet``, given to the command as one ``invocation``.

    A command that ended well but could not tell all of it ends with ``OutputLost``.
    """

    def call(*args: Any, config: Path | None, as_json: bool, quiet: bool, **kwargs: Any) -> Any:
        forget_session_variables()
        output = Output(as_json=as_json, quiet=quiet)
        code = function(*args, invocation=Invocation(config=config, output=output), **kwargs)
        if output.lost is not None and not code:
            raise output.lost
        return code

    call.__name__, call.__doc__ = function.__name__, function.__doc__
    call.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
    for option in (
        click.option("--quiet", is_flag=True, help="Say nothing on success."),
        click.option("--json", "as_json", is_flag=True, help="Answer with one JSON object."),
        click.option(
            "--config",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="The drorch.yaml to use.",
        ),
    ):
        call = option(call)
    return call  # type: ignore[return-value]
