"""Whether and when a container that has ended runs again: as kubelet decides it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

ALWAYS, ON_FAILURE, NEVER = "Always", "OnFailure", "Never"


class Kind(Enum):
    """What a container is in its pod."""

    INIT = "init"  # runs to its end before the next
    SIDECAR = "sidecar"  # an init container that goes on running
    MAIN = "main"


@dataclass(frozen=True)
class BackOff:
    """Seconds: the first delay, the longest, and how long a run must last to be forgiven what was before."""

    first: float = 10.0
    longest: float = 300.0
    reset_after: float = 600.0

    def next(self, previous: float | None, ran: float) -> float:
        """Return the delay before the next start. `previous`: the delay before the run that ended.

        None: it was the first run, which is followed at once (kubelet's back-off begins with the second end).
        """
        if previous is None or ran >= self.reset_after:
            return 0.0
        return min(max(previous * 2, self.first), self.longest)


def is_restarted(policy: str, exit_code: int) -> bool:
    """Tell whether a container that ended with an exit code is to run again."""
    return policy == ALWAYS or (policy == ON_FAILURE and exit_code != 0)


def policy_of(kind: Kind, policy: str) -> str:
    """Return a container's policy in a pod of this policy; init containers run until they succeed."""
    if kind is Kind.SIDECAR:
        return ALWAYS
    return ON_FAILURE if kind is Kind.INIT and policy == ALWAYS else policy
