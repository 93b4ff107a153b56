"""The cache is libcni's: same place, same form, same rights; written whole or not at all."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from cni_spec.errors import CniError
from pod_runner.cni.cache import CachedAttachment, ResultCache
from pod_runner.cni.derive import Target
from tests.pod_runner.cni.conftest import World

# As libcni 1.3.0 writes it (its api.go, cachedInfo).
LIBCNI_FILE = {
    "kind": "cniCacheV1",
    "containerId": "c1",
    "config": base64.b64encode(b'{"cniVersion":"1.0.0","name":"net1","plugins":[{"type":"a"}]}').decode(),
    "ifName": "eth0",
    "networkName": "net1",
    "netns": "/run/netns/c1",
    "cniArgs": [["IgnoreUnknown", "1"]],
    "capabilityArgs": {"mac": "02:00:00:00:00:01"},
    "result": {"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.2/24"}]},
}
TARGET = Target("c1", "/run/netns/c1", "eth0", (("IgnoreUnknown", "1"),), {"mac": "02:00:00:00:00:01"})


def _put(cache: ResultCache, body: object, name: str = "net1-c1-eth0") -> Path:
    cache.directory.mkdir(parents=True, exist_ok=True)
    (cache.directory / name).write_text(json.dumps(body))
    return cache.directory / name


def test_a_file_of_libcni_is_read_and_written_the_same(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path)
    path = _put(cache, LIBCNI_FILE)

    cached = cache.read("net1", TARGET)

    assert cached is not None and cached.target == TARGET and cached.result == LIBCNI_FILE["result"]
    path.unlink()
    cache.write(cached)
    assert json.loads(path.read_text()) == LIBCNI_FILE


def test_a_files_rights_keep_secrets_and_no_temporary_file_stays(world: World, target: Target) -> None:
    world.runtime.add(world.network("a"), target)

    path = world.cache.path("net1", target)
    assert path == world.root / "cache" / "results" / "net1-c1-eth0"
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_the_list_in_the_cache_needs_no_files_beside_it(world: World, target: Target) -> None:
    world.runtime.add(world.network("a", "b"), target)

    body = json.loads(world.cache.path("net1", target).read_text())
    config = json.loads(base64.b64decode(body["config"]))
    assert [plugin["type"] for plugin in config["plugins"]] == ["a", "b"] and config["name"] == "net1"


def test_a_result_of_an_older_libcni_is_the_whole_file(world: World, target: Target) -> None:
    network = world.network("a", version="0.4.0")
    old = {"cniVersion": "0.3.1", "ips": [{"version": "4", "address": "10.0.0.2/24"}]}
    _put(world.cache, old)

    world.runtime.check("net1", target, lambda: network)

    told = {"cniVersion": "0.4.0", "ips": [{"version": "4", "address": "10.0.0.2/24"}], "dns": {}}
    assert world.calls()[0].body["prevResult"] == told


def test_a_file_of_other_ids_is_not_taken_for_ours(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path)
    _put(cache, LIBCNI_FILE | {"networkName": "net1-c1", "containerId": "x"}, "net1-c1-x-eth0")

    with pytest.raises(CniError, match="it is of net1-c1 x"):
        cache.read("net1", replace(TARGET, container_id="c1-x"))


def test_what_is_no_attachment_is_not_listed(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path)
    _put(cache, LIBCNI_FILE)
    _put(cache, LIBCNI_FILE | {"kind": "cniCacheV9"}, "future")
    _put(cache, {"cniVersion": "1.0.0"}, "legacy")
    _put(cache, LIBCNI_FILE, ".net1-c2-eth0.123")
    (cache.directory / "folder").mkdir()

    assert [cached.target for cached in cache.attachments()] == [TARGET]
    assert cache.attachments("net2") == [] == ResultCache(tmp_path / "none").attachments()


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path)
    _put(cache, LIBCNI_FILE, "net1-c1-eth0")
    blocked = CachedAttachment("no/such", TARGET, b"", None)

    with pytest.raises(CniError, match="No such file"):
        cache.write(blocked)
    assert [path.name for path in cache.directory.iterdir()] == ["net1-c1-eth0"]
