"""The store: policies, pulls that meet, kills in the middle, and what is removed when."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from pod_runner.container.spec import ContainerError
from pod_runner.images.root_fs import root_fs
from pod_runner.images.store import ImageStore, signal_number
from tests.pod_runner.images.looking import dump
from tests.pod_runner.images.making import Made, files, write_archive
from tests.pod_runner.images.registry import Registry, served

LAYERS = [files(a="1"), files(b="2")]


def offer(registry: Registry, layers: list[bytes], tag: str = "app:1") -> str:
    """Put an image into a registry; return its name."""
    made = Made()
    found = made.image(layers)
    registry.blobs |= made.blobs
    registry.tags[tag] = str(found["digest"])
    return f"{registry.address}/{tag}"


def layers_of(store: ImageStore) -> list[str]:
    return sorted(one.name for one in (store.root / "layers").glob("*") if one.is_dir())


def test_if_not_present_asks_once(store: ImageStore, registry: Registry) -> None:
    name = offer(registry, LAYERS)
    first = store.ensure(name)
    asked = registry.asked.copy()
    assert store.ensure(name) == first
    assert registry.asked == asked
    assert sum(count for path, count in asked.items() if "/blobs/" in path) == 3  # configuration, two layers


def test_always_asks_again_and_fetches_what_is_new(store: ImageStore, registry: Registry) -> None:
    name = offer(registry, LAYERS)
    old = store.ensure(name, "Always")
    registry.asked.clear()
    assert store.ensure(name, "Always") == old
    assert [path for path in registry.asked if "/blobs/" in path] == [
        f"/v2/app/blobs/{_configuration(registry)}"
    ]
    offer(registry, [LAYERS[0], files(c="3")])
    new = store.ensure(name, "Always")
    assert (new.layers[1], new.layers[0] != old.layers[0]) == (old.layers[1], True)
    assert store.ensure(name) == new


def _configuration(registry: Registry) -> str:
    return next(digest for digest, body in registry.blobs.items() if b'"rootfs"' in body)


def test_never_takes_what_is_there_and_asks_nobody(store: ImageStore, registry: Registry) -> None:
    name = offer(registry, LAYERS)
    with pytest.raises(ContainerError, match="imagePullPolicy is Never") as refused:
        store.ensure(name, "Never")
    assert refused.value.reason == "ErrImageNeverPull"
    assert not registry.asked
    image = store.ensure(name)
    registry.status = 500
    assert store.ensure(name, "Never") == image


def test_an_image_is_there_though_its_registry_is_away(host: None, store: ImageStore) -> None:
    registry = Registry()
    with served(registry):
        name = offer(registry, LAYERS)
        image = store.ensure(name)
    assert store.ensure(name) == image
    with pytest.raises(ContainerError, match="refused") as failed:
        store.ensure(name, "Always")
    assert failed.value.reason == "ErrImagePull"


@pytest.mark.parametrize("policy", ["IfNotPresent", "Always"])
def test_what_many_pods_ask_for_at_once_is_pulled_once(
    policy: str, store: ImageStore, registry: Registry
) -> None:
    name = offer(registry, LAYERS)
    start = threading.Barrier(8)
    found: list[object] = []

    def pull() -> None:
        start.wait()
        found.append(store.ensure(name, policy))

    threads = [threading.Thread(target=pull) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(found) == 8
    assert all(one == found[0] for one in found)
    blobs = Counter({path: count for path, count in registry.asked.items() if "/blobs/" in path})
    assert all(count == 1 for path, count in blobs.items() if _configuration(registry) not in path)


def test_an_archive_that_was_written_anew_is_read_anew(store: ImageStore, tmp_path: Path) -> None:
    for number in (1, 2):
        made = Made()
        made.image(LAYERS[:number])
        shutil.rmtree(tmp_path / "layout", ignore_errors=True)
        write_archive(made.write_layout(tmp_path / "layout"), tmp_path / "a.tar")
        assert len(store.ensure(f"oci-archive:{tmp_path}/a.tar").layers) == number
    (tmp_path / "a.tar").unlink()
    assert len(store.ensure(f"oci-archive:{tmp_path}/a.tar").layers) == 2  # it is known, and that is enough


def test_a_plain_folder_is_a_root(store: ImageStore, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    assert store.ensure(f"dir:{tmp_path}/root").layers == (tmp_path / "root",)
    with pytest.raises(ContainerError, match="is no folder"):
        store.ensure(f"dir:{tmp_path}/missing")


def test_a_kill_in_the_middle_leaves_nothing_that_is_used(store: ImageStore, tmp_path: Path) -> None:
    """Kill a process that takes an image at random moments, again and again; then take it."""
    made = Made()
    made.image([files(**{f"f{number}": "x" * 100 for number in range(1000)}), *LAYERS], "app:1")
    made.write_layout(tmp_path / "layout")
    kills = 0
    for delay in (0.0, 0.01, 0.02, 0.04, 0.08, 0.12):
        pid = os.fork()
        if pid == 0:
            try:
                store.add(tmp_path / "layout")
            finally:
                os._exit(0)
        time.sleep(delay)  # not to wait for something: the moment is the test
        os.kill(pid, signal.SIGKILL)
        kills += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        for layer in layers_of(store):
            assert len(list((store.root / "layers" / layer).iterdir())) in (1, 1000)
    assert kills
    (added,) = store.add(tmp_path / "layout")
    image = store.ensure(added.reference, "Never")
    assert [len(list(one.iterdir())) for one in image.layers] == [1, 1, 1000]
    store.prune(spare=0)
    assert list((store.root / "fresh").iterdir()) == []
    assert len(layers_of(store)) == 3


def test_prune_removes_what_nobody_needs(store: ImageStore, tmp_path: Path) -> None:
    for name, layers in (("one", LAYERS), ("two", [LAYERS[0], files(c="33")])):
        made = Made()
        made.image(layers, f"{name}:1")
        store.add(made.write_layout(tmp_path / name))
    assert store.prune(spare=0) == 0
    assert len(layers_of(store)) == 3
    assert store.remove("two:1")
    assert not store.remove("two:1")
    assert store.prune() == 0  # somebody asked for it less than a minute ago
    assert store.prune(spare=0) == 2  # "33"
    assert [one.reference for one in store.list()] == ["docker.io/library/one:1"]
    assert len(store.ensure("one:1", "Never").layers) == 2
    assert store.remove("one:1")
    store.prune(spare=0)
    assert dump(store.root / "layers") == dump(store.root / "blobs/sha256") == {}


def test_prune_keeps_what_a_container_has(store: ImageStore, tmp_path: Path) -> None:
    made = Made()
    made.image(LAYERS, "one:1")
    store.add(made.write_layout(tmp_path / "one"))
    folder = tmp_path / "pods/uid/root/main"
    root = root_fs(store.ensure("one:1"), folder)
    before = dump(store.root / "layers")
    store.remove("one:1")
    store.prune(spare=0)
    assert all(one.is_dir() for one in root.lower)
    assert dump(store.root / "layers") == before
    shutil.rmtree(tmp_path / "pods")
    store.prune(spare=0)
    assert layers_of(store) == []
    assert [list((store.root / one).iterdir()) for one in ("used", "gone", "fresh")] == [[], [], []]


def test_a_damaged_index_is_as_none(store: ImageStore, tmp_path: Path) -> None:
    made = Made()
    made.image(LAYERS, "one:1")
    store.add(made.write_layout(tmp_path / "one"))
    (store.root / "index.json").write_text('{"images": {"a": 1}}')
    assert store.list() == []
    assert len(store.add(tmp_path / "one")) == 1


def test_nobody_else_may_look_into_a_store(store: ImageStore) -> None:
    store.prune()
    assert store.root.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("SIGQUIT", 3),
        ("quit", 3),
        ("9", 9),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("", 15),
        ("x", 15),
        ("99", 15),
    ],
)
def test_signals_are_read_in_all_forms(text: str, number: int) -> None:
    assert signal_number(text) == number
