"""``drorch completion``: what a shell needs to complete commands, options, policies and stores."""

from __future__ import annotations

import click

from drorch.cli.invocation import Invocation, common_options
from drorch.errors import UsageInvalid

VARIABLE = "_DRORCH_COMPLETE"  # click's own name for it
_WHERE = {
    "bash": '# put this line into ~/.bashrc:  eval "$(drorch completion bash)"',
    "zsh": '# put this line into ~/.zshrc:  eval "$(drorch completion zsh)"',
    "fish": "# drorch completion fish > ~/.config/fish/completions/drorch.fish",
}


@click.command(epilog='Example: eval "$(drorch completion bash)"')
@click.argument("shell", type=click.Choice(list(_WHERE)))
@common_options
def command(shell: str, invocation: Invocation) -> int:
    """Print the script that makes a shell complete commands, options, policies and stores."""
    from click.shell_completion import get_completion_class

    from drorch.cli.main import root

    kind = get_completion_class(shell)
    if kind is None:
        raise UsageInvalid(f"no completion for {shell}", expected=", ".join(_WHERE))
    completion = kind(root, {}, "drorch", VARIABLE)
    script = completion.source_template % completion.source_vars()
    if invocation.output.as_json:
        invocation.output.document("drorch.completion/1", {"ok": True, "shell": shell, "script": script})
    else:
        invocation.output.lines([_WHERE[shell], *script.strip().splitlines()])
    return 0
