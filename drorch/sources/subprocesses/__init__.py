"""The only place that starts other programs.

Promises: argument lists, never a shell; an environment that the caller spells out; standard error drained all
the time and only its tail kept; a child, and what it started in its process group, never outlives the context that
started it; an error names the program and its last words and never the environment or the arguments.

Three ways to run one: ``running`` reads what it writes, ``feeding`` writes what it reads, ``run_to_end`` waits for it.
"""

from drorch.sources.subprocesses.child import Child
from drorch.sources.subprocesses.program import ENDING_SECONDS, TAIL_BYTES
from drorch.sources.subprocesses.starting import feeding, output_of, run_to_end, running

__all__ = ["ENDING_SECONDS", "TAIL_BYTES", "Child", "feeding", "output_of", "run_to_end", "running"]
