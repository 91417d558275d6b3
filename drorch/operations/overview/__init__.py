"""What is protected, what is late and what needs a person: the catalog held against the policies."""

from drorch.operations.overview.due import GRACE
from drorch.operations.overview.judging import needs_another_try
from drorch.operations.overview.known import OPERATION, last_runs
from drorch.operations.overview.looking import overview
from drorch.operations.overview.standing import Overview, SourceStanding, Standing, Trouble

__all__ = [
    "GRACE",
    "OPERATION",
    "Overview",
    "SourceStanding",
    "Standing",
    "Trouble",
    "last_runs",
    "needs_another_try",
    "overview",
]
