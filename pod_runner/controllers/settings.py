"""What a node's owner may choose of the controllers; times in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ControllerSettings:
    """`identity`: who acts, for a person: a node's name.

    `heartbeat`: the time of the nodes' leases, so the longest time for which a node that was never heard of
    may be alive. `eviction`: how long pods stay on a node that is lost. `leader`: so long after the leader
    has died another one acts; whole seconds, as leases are.
    """

    identity: str = "localhost"
    heartbeat: float = 10.0
    eviction: float = 30.0
    leader: int = 5
