"""Let old snapshots go: decide by the policies, show the plan, and carry out just that plan.

A plan is made for every lane in every store from what that store holds, without a private key. Nothing is deleted in a lane that cannot be read
to its end, in a store whose clock is not ours, and in any store while another one is away in which somebody may hold a snapshot.
"""

from drorch.operations.prune.carrying_out import run
from drorch.operations.prune.planning import make_plan
from drorch.operations.prune.values import (
    JudgedSnapshot,
    LanePlan,
    Place,
    PrunedLane,
    PrunePlan,
    PruneProblem,
    PruneReport,
    PruneRequest,
)

__all__ = [
    "JudgedSnapshot",
    "LanePlan",
    "Place",
    "PrunePlan",
    "PruneProblem",
    "PruneReport",
    "PruneRequest",
    "PrunedLane",
    "make_plan",
    "run",
]
