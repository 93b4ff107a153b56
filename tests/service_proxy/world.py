"""Services in a folder, a loop that serves them in the test's namespace, and what the kernel then has."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from service_proxy.catalogue import Kind
from service_proxy.node import ServiceNode
from service_proxy.settings import ProxySettings
from service_proxy.sources.directory import DirectoryFeed
from service_proxy.sources.pod_slices import PodSlices
from service_proxy.sources.source import Source

WITHIN = 60.0  # seconds for what takes milliseconds
NODE = "one"


def service(name: str, ip: str, *, port: int = 80, target: int = 8080, **spec: object) -> dict[str, object]:
    """Return a service that selects the pods of its own name."""
    body: dict[str, object] = {
        "clusterIP": ip,
        "ports": [{"port": port, "targetPort": target}],
        "selector": {"app": name},
    }
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
        "spec": body | spec,
    }  # fmt: skip


def pod(name: str, ip: str, *, app: str, node: str = NODE, is_ready: bool = True) -> dict[str, object]:
    """Return a pod that runs."""
    ready = {"type": "Ready", "status": "True" if is_ready else "False"}
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": app}},
        "spec": {"nodeName": node},
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [ready]},
    }  # fmt: skip


class Folder:
    """A folder of objects, one a file, each replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(exist_ok=True)

    def put(self, *objects: dict[str, object]) -> None:
        """Write objects."""
        for one in objects:
            path = self._path(one)
            draft = path.with_suffix(".draft")
            draft.write_text(json.dumps(one))
            draft.rename(path)

    def put_as(self, name: str, one: dict[str, object]) -> None:
        """Write an object into a file of this name, whatever the object's."""
        draft = self.path / f"{name}.draft"
        draft.write_text(json.dumps(one))
        draft.rename(self.path / f"{name}.json")

    def has(self, one: dict[str, object]) -> bool:
        """Tell whether there is a file of an object."""
        return self._path(one).exists()

    def delete(self, *objects: dict[str, object]) -> None:
        """Remove objects."""
        for one in objects:
            self._path(one).unlink()

    def _path(self, one: dict[str, object]) -> Path:
        metadata = one["metadata"]
        assert isinstance(metadata, dict)
        return self.path / f"{one['kind']}-{metadata['name']}.json"


def make_node(folder: Path, **settings: object) -> ServiceNode:
    """Return a loop that serves what a folder says."""
    chosen = ProxySettings.model_validate({"node": NODE, "pods": ["10.244.0.0/16"], **settings}, strict=False)
    return ServiceNode(
        chosen, lambda conditions: Source("folder", frozenset(Kind), [DirectoryFeed(folder)], [PodSlices()])
    )


@contextmanager
def running(node: ServiceNode) -> Iterator[ServiceNode]:
    """Run a loop while the block does; it has written everything once when that begins."""
    thread = Thread(target=node.run, name="services")
    thread.start()
    try:
        wait_until(node, lambda: node.is_synced)
        yield node
    finally:
        node.stop()
        thread.join(WITHIN)
        assert not thread.is_alive()


def wait_until(node: ServiceNode, condition: Callable[[], bool]) -> None:
    """Wait until a turn of the loop makes something true."""
    with node.changed:
        assert node.changed.wait_for(condition, WITHIN), node.conditions.as_json()


def wait_for(condition: Callable[[], bool], within: float = WITHIN) -> float:
    """Wait until something is so, looking again and again; return how many seconds it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < within
        time.sleep(0.005)
    return time.monotonic() - started


def nft(*words: str) -> str:
    """Return what nft prints."""
    done = subprocess.run(["nft", *words], capture_output=True, text=True, check=False)
    return done.stdout


def elements(name: str) -> str:
    """Return a map of our table as nft prints it, without counters."""
    return nft("--stateless", "list", "map", "inet", "podwire_services", name)


def table() -> str:
    """Return our table as nft prints it, without counters."""
    return nft("--stateless", "list", "table", "inet", "podwire_services")
