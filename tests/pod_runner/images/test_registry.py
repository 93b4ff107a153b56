"""Pulling by HTTP: tags, digests, several machines, redirections, and each way to be refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pod_runner.container.spec import ContainerError
from pod_runner.images.reference import parse_reference
from pod_runner.images.registry import is_loopback, registry_image
from pod_runner.images.store import ImageStore
from tests.pod_runner.images.making import Made, digest, files
from tests.pod_runner.images.registry import Registry, served

LAYER = files(a="1")


@pytest.fixture
def made(registry: Registry) -> Made:
    """Offer an image for two machines as app:1."""
    one = Made()
    index = one.index(
        [one.image([files(b="2")], architecture="pdp11"), one.image([LAYER], config={"Cmd": ["own"]})]
    )
    registry.blobs |= one.blobs
    registry.tags["team/app:1"] = str(index["digest"])
    return one


def test_an_index_leads_to_the_image_for_this_machine(
    made: Made, registry: Registry, store: ImageStore
) -> None:
    name = f"docker://{registry.address}/team/app:1"
    image = store.ensure(name)
    assert (image.cmd, image.digest) == (("own",), made.manifests[1]["digest"])
    assert store.ensure(name.removeprefix("docker://"), "Never") == image


def test_a_digest_is_held_to(made: Made, registry: Registry, store: ImageStore) -> None:
    wanted = registry.tags["team/app:1"]
    assert store.ensure(f"{registry.address}/team/app@{wanted}").cmd == ("own",)
    other = digest(b"other")
    registry.blobs[other] = registry.blobs[wanted]
    with pytest.raises(ContainerError, match="damaged: expected"):
        store.ensure(f"{registry.address}/team/app@{other}")


def test_a_redirection_is_followed(made: Made, registry: Registry, store: ImageStore) -> None:
    registry.moved = f"http://{registry.address}"
    assert store.ensure(f"{registry.address}/team/app:1").cmd == ("own",)
    assert any(path.startswith("/store/") for path in registry.asked)


@pytest.mark.parametrize("moved", ["http://192.0.2.1", "file:///etc/passwd?", "ftp://localhost"])
def test_no_redirection_leads_to_plain_http_elsewhere(
    moved: str, made: Made, registry: Registry, store: ImageStore
) -> None:
    registry.moved = moved
    with pytest.raises(ContainerError, match="only HTTPS leaves this machine"):
        store.ensure(f"{registry.address}/team/app:1")


def test_a_loop_of_redirections_ends(made: Made, registry: Registry, store: ImageStore) -> None:
    registry.moved = f"http://{registry.address}/v2/.."
    with pytest.raises(ContainerError, match=r"redirections|has no|does not have"):
        store.ensure(f"{registry.address}/team/app:1")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "wants to know who asks; install skopeo"),
        (403, "wants to know"),
        (500, "HTTP 500"),
        (404, "has no"),
    ],
)
def test_a_refusal_is_a_sentence(
    status: int, said: str, made: Made, registry: Registry, store: ImageStore
) -> None:
    registry.status = status
    with pytest.raises(ContainerError, match=said) as refused:
        store.ensure(f"{registry.address}/team/app:1")
    assert refused.value.reason == "ErrImagePull"
    assert registry.address in str(refused.value)


def test_a_layer_that_is_another_is_refused(made: Made, registry: Registry, store: ImageStore) -> None:
    for name, body in registry.blobs.items():
        if body[:2] == b"\x1f\x8b":
            registry.blobs[name] = body + b"\0"
    with pytest.raises(ContainerError, match=r"more than|damaged"):
        store.ensure(f"{registry.address}/team/app:1")
    assert store.list() == []


def test_nobody_there_is_a_sentence(host: None) -> None:
    registry = Registry()
    with served(registry):
        address = registry.address
    with pytest.raises(ContainerError, match="refused"):
        registry_image(parse_reference(f"{address}/app:1"))


SKOPEO = r"""#!/bin/sh
to=${4#oci:}
case "$3" in
    docker://example.org/app:1) cp -r LAYOUT/. "${to%:image}" ;;
    *) echo 'time=now level=fatal msg="no such thing"' >&2; exit 1 ;;
esac
"""


@pytest.fixture
def skopeo(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a program in skopeo's place, which knows one image of example.org."""
    layout = made.write_layout(tmp_path / "layout", [made.manifests[1]])
    program = tmp_path / "bin/skopeo"
    program.parent.mkdir()
    program.write_text(SKOPEO.replace("LAYOUT", str(layout)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def test_skopeo_is_asked_where_it_is_installed(skopeo: None, store: ImageStore) -> None:
    assert store.ensure("example.org/app:1").cmd == ("own",)
    assert list((store.root / "fresh").iterdir()) == []
    with pytest.raises(ContainerError, match=r"skopeo: .*no such thing"):
        store.ensure("example.org/other:1")


def test_skopeo_is_not_asked_about_loopback(skopeo: None, registry: Registry, store: ImageStore) -> None:
    assert store.ensure(f"{registry.address}/team/app:1").cmd == ("own",)


@pytest.mark.parametrize(
    ("registry_name", "expected"),
    [("localhost", True), ("localhost:5000", True), ("127.3.2.1:80", True), ("[::1]:5000", True),
     ("docker.io", False), ("localhost.example.org", False), ("10.0.0.1:5000", False)],
)  # fmt: skip
def test_loopback_is_known_by_its_name(registry_name: str, expected: bool) -> None:
    assert is_loopback(registry_name) is expected
