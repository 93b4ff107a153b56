"""Whose address it is: libcni's records, followed while runtimes write them."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pod_runner.cni.cache import CachedAttachment, ResultCache
from pod_runner.cni.derive import Target
from service_proxy.dns.pod_namespaces import PodNamespaces, read_record


def packed(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def attachment(container: str, namespace: str, *addresses: str) -> CachedAttachment:
    """Return the record of an ADD as containerd would ask for it."""
    args = (("IgnoreUnknown", "1"), ("K8S_POD_NAMESPACE", namespace), ("K8S_POD_NAME", container))
    target = Target(container, "/run/netns/x", "eth0", args, {})
    result: dict[str, object] = {"cniVersion": "1.1.0", "ips": [{"address": one} for one in addresses]}
    return CachedAttachment("net", target, b"{}", result)


@pytest.fixture
def cache(tmp_path: Path) -> ResultCache:
    return ResultCache(tmp_path / "cni")


@pytest.fixture
def namespaces(cache: ResultCache) -> Iterator[PodNamespaces]:
    followed = PodNamespaces(cache.directory)
    followed.start()
    yield followed
    followed.close()


def wait(namespaces: PodNamespaces, address: str, expected: str | None) -> None:
    deadline = time.monotonic() + 8
    while namespaces.namespace_of(packed(address)) != expected:
        assert time.monotonic() < deadline, namespaces.namespace_of(packed(address))
        time.sleep(0.005)


def test_pods_are_known_as_they_come_and_forgotten_as_they_go(
    cache: ResultCache, namespaces: PodNamespaces
) -> None:
    web = attachment("web", "shop", "10.244.0.5/24", "fd00::5/64")
    cache.write(web)  # the folder, too, comes into being only now
    wait(namespaces, "10.244.0.5", "shop")
    wait(namespaces, "fd00::5", "shop")
    cache.write(attachment("db", "data", "10.244.0.6/24"))
    wait(namespaces, "10.244.0.6", "data")
    cache.remove("net", web.target)
    wait(namespaces, "10.244.0.5", None)
    shutil.rmtree(cache.directory)
    wait(namespaces, "10.244.0.6", None)
    cache.write(web)
    wait(namespaces, "10.244.0.5", "shop")


def test_an_address_belongs_to_whoever_has_it_now(cache: ResultCache, namespaces: PodNamespaces) -> None:
    old, new = attachment("old", "shop", "10.244.0.5/24"), attachment("new", "data", "10.244.0.5/24")
    cache.write(old)
    wait(namespaces, "10.244.0.5", "shop")
    cache.write(new)
    wait(namespaces, "10.244.0.5", "data")
    cache.remove("net", old.target)
    cache.write(attachment("other", "data", "10.244.0.9/24"))
    wait(namespaces, "10.244.0.9", "data")
    assert namespaces.namespace_of(packed("10.244.0.5")) == "data"


def test_what_was_there_before_is_known(cache: ResultCache) -> None:
    cache.write(attachment("web", "shop", "10.244.0.5/24"))
    followed = PodNamespaces(cache.directory)
    followed.start()
    wait(followed, "10.244.0.5", "shop")
    followed.close()


ARGS = [["K8S_POD_NAMESPACE", "shop"]]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"\xff", b"{}",
        {"cniArgs": ARGS}, {"cniArgs": ARGS, "result": []}, {"cniArgs": ARGS, "result": {"ips": 3}},
        {"cniArgs": ARGS, "result": {"ips": [{"address": "x"}]}},
        {"cniArgs": ARGS, "result": {"ips": [None, {}]}},
        {"cniArgs": [["K8S_POD_NAMESPACE"], 3], "result": {"ips": [{"address": "10.0.0.1/8"}]}},
        {"cniArgs": [["K8S_POD_NAMESPACE", 4]], "result": {"ips": [{"address": "10.0.0.1/8"}]}},
        {"cniArgs": {"a": 1}, "result": {"ips": [{"address": "10.0.0.1/8"}]}},
    ],
)  # fmt: skip
def test_a_file_that_says_nothing_of_a_pod_is_passed_over(tmp_path: Path, body: object) -> None:
    path = tmp_path / "net-x-eth0"
    path.write_bytes(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert read_record(path) == {}


def test_a_result_of_cni_0_2_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "net-x-eth0"
    path.write_text(json.dumps({"cniArgs": ARGS, "result": {"ip4": {"ip": "10.0.0.1/24"}}}))
    assert read_record(path) == {packed("10.0.0.1"): "shop"}


def test_a_record_that_is_older_than_one_that_has_gone_harms_nobody(
    cache: ResultCache, namespaces: PodNamespaces
) -> None:
    old, new = attachment("old", "shop", "10.244.0.5/24"), attachment("new", "data", "10.244.0.5/24")
    cache.write(old)
    wait(namespaces, "10.244.0.5", "shop")
    cache.write(new)
    wait(namespaces, "10.244.0.5", "data")
    cache.remove("net", new.target)
    wait(namespaces, "10.244.0.5", None)
    cache.remove("net", old.target)
    cache.write(attachment("next", "data", "10.244.0.6/24"))
    wait(namespaces, "10.244.0.6", "data")
