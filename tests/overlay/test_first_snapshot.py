"""Before a node has seen the registry whole it takes nothing away, and shuts nobody out."""

from __future__ import annotations

import subprocess
from dataclasses import replace

from linuxnet.tunnel_guard import Boundaries
from overlay.admission import Admission
from overlay.programmer import Programmer
from tests.overlay.records import node, place

HERE = replace(place(), has_blackhole=False, is_direct=True)
WANTED = Boundaries((8472,), (), ("10.244.0.0/16",), ("10.244.0.0/16",), True)


def tables() -> str:
    return subprocess.run(["nft", "list", "tables"], check=True, capture_output=True, text=True).stdout


def test_a_guard_that_knows_no_peer_waits_for_the_first_snapshot(host: None) -> None:
    """A node that was flannel's has running flows; without this they stop between lease and snapshot."""
    programmer, admission = Programmer(place=HERE), Admission(HERE)
    programmer.guarding.boundaries = WANTED
    programmer.reconcile(admission, 0.0, ())
    assert "podwire_overlay" not in tables()

    programmer.may_delete = True
    programmer.reconcile(admission, 0.0, ())

    assert "podwire_overlay" in tables()
    programmer.close()


def test_what_is_remembered_of_peers_is_guarded_without_a_registry(host: None) -> None:
    programmer, admission = Programmer(place=HERE), Admission(HERE)
    programmer.guarding.boundaries = WANTED
    admission.offer(node(1))

    programmer.reconcile(admission, 0.0, ())

    assert "podwire_overlay" in tables()
    programmer.close()
