"""What the doctor's tests share: verdicts by name, and doing what a verdict says."""

from __future__ import annotations

from collections.abc import Iterable

from overlay.subnet import parse_subnet
from podwire.doctor.cluster import Cluster
from podwire.doctor.verdict import State, Verdict
from tests.calls import run

CLUSTER = Cluster(
    networks=(parse_subnet("10.244.0.0/16"),), subnets=(parse_subnet("10.244.7.0/24"),), mtu=1450
)


def ip(*lines: str) -> None:
    """Run commands of `ip` in this test's namespace."""
    for line in lines:
        run(["ip", *line.split()])


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the one verdict that is not fine, or the last that is."""
    found = list(verdicts)
    bad = [one for one in found if one.state is not State.FINE]
    assert len(bad) <= 1, bad
    return bad[0] if bad else found[-1]


def named(verdicts: Iterable[Verdict], name: str) -> Verdict:
    """Return the one verdict of a name."""
    (found,) = [one for one in verdicts if one.name == name]
    return found


def mend(verdict: Verdict) -> None:
    """Do what a verdict says, as a person with a shell would; words for the person are left out."""
    run(["sh", "-ec", verdict.advice.split("; or ")[0].split(", ")[0].split("; then")[0]])
