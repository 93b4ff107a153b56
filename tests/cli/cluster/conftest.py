"""A cluster in a folder, and `podwire` that is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from cluster_store.opening import open_store
from cluster_store.store import Put
from pod_runner.cluster.bodies import JsonObject, with_member
from pod_runner.cluster.objects import ref_of_body, to_text
from pod_runner.cluster.store import ClusterStore
from tests.cli.conftest import Cli

Podwire = Callable[..., Result]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"directory:{tmp_path}/store"


@pytest.fixture
def cluster(url: str) -> Iterator[ClusterStore]:
    cluster = ClusterStore(open_store(url))
    yield cluster
    cluster.close()


@pytest.fixture
def podwire(cli: Cli, url: str) -> Podwire:
    """Return a function that runs a command on the cluster; options go before `--`."""

    def run(*arguments: str | Path, **options: str) -> Result:
        words = [str(one) for one in arguments]
        at = words.index("--") if "--" in words else len(words)
        return cli(*words[:at], "--source", url, *words[at:], **options)

    return run


def write(cluster: ClusterStore, *bodies: JsonObject) -> None:
    """Write objects as they are, whatever was there."""
    for body in bodies:
        ref = ref_of_body(body)
        whole = with_member(body, ref.namespace, "metadata", "namespace") if ref.namespace else body
        cluster.store.commit((), [Put(ref.key, to_text(whole))])
