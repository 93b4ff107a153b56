"""Which cluster a command means."""

from __future__ import annotations

from pathlib import Path

import pytest

from cni_spec.errors import CniError
from podwire.cluster import where
from podwire.cluster.where import find_place
from podwire.lab.errors import LabError
from tests.cli.conftest import Cli


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand on a node that has no agent.toml, and return where it would be."""
    monkeypatch.delenv("PODWIRE_LAB", raising=False)
    monkeypatch.setattr(where, "AGENT_CONFIG", tmp_path / "agent.toml")
    return tmp_path / "agent.toml"


def test_what_is_named_counts() -> None:
    assert find_place("directory:/srv/x").url == "directory:/srv/x"
    with pytest.raises(CniError, match="name two clusters"):
        find_place("directory:/srv/x", "lab")


def test_without_any_cluster_it_says_what_to_do(cli: Cli) -> None:
    refused = cli("get", "pods")
    assert refused.exit_code == 1
    assert "there is no cluster here" in refused.stderr and "podwire lab up" in refused.stderr


def test_a_node_that_runs_pods_is_of_a_cluster(nowhere: Path) -> None:
    nowhere.write_text("[runner]\nenabled = true\n")
    assert find_place().url == "directory:/var/lib/podwire/cluster"
    nowhere.write_text('[runner]\nenabled = true\nstore = "etcd://10.0.0.1:2379"\nuser = "me"\n')
    place = find_place()
    assert (place.url, place.options.user) == ("etcd://10.0.0.1:2379", "me")
    nowhere.write_text('[proxy]\nenabled = true\nsource = "directory:/srv/p"\n[runner]\nenabled = true\n')
    assert find_place().url == "directory:/srv/p"


def test_a_lab_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LabError, match='there is no lab "other"'):
        find_place(lab="other")
    monkeypatch.setenv("PODWIRE_LAB", "mine")
    with pytest.raises(LabError, match='there is no lab "mine"'):
        find_place()
