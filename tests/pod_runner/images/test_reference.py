"""References: what a person writes, and what it is kept under."""

from __future__ import annotations

import pytest

from pod_runner.container.spec import ContainerError
from pod_runner.images.reference import Kind, Reference, parse_reference

DIGEST = "sha256:" + "a" * 64
NAMES = {
    "nginx": ("docker.io/library/nginx:latest", "docker.io", "library/nginx", "latest"),
    "nginx:1.25": ("docker.io/library/nginx:1.25", "docker.io", "library/nginx", "1.25"),
    "user/app": ("docker.io/user/app:latest", "docker.io", "user/app", "latest"),
    "docker://quay.io/a/b/c:x": ("quay.io/a/b/c:x", "quay.io", "a/b/c", "x"),
    "localhost:5000/app": ("localhost:5000/app:latest", "localhost:5000", "app", "latest"),
    "localhost/app": ("localhost/app:latest", "localhost", "app", "latest"),
    "[::1]:5000/app:1": ("[::1]:5000/app:1", "[::1]:5000", "app", "1"),
    f"nginx:1.25@{DIGEST}": (f"docker.io/library/nginx@{DIGEST}", "docker.io", "library/nginx", DIGEST),
    "oci:5": ("docker.io/library/oci:5", "docker.io", "library/oci", "5"),
}
FILES = {
    "oci:/a/b": Reference(Kind.LAYOUT, "oci:/a/b", "/a/b"),
    "oci:/a/b:v1": Reference(Kind.LAYOUT, "oci:/a/b:v1", "/a/b", "v1"),
    "docker-archive:/a.tar:nginx:1": Reference(
        Kind.DOCKER_ARCHIVE, "docker-archive:/a.tar:nginx:1", "/a.tar", "nginx:1"
    ),
    "dir:/srv/root:x": Reference(Kind.FOLDER, "dir:/srv/root:x", "/srv/root:x"),
    "host": Reference(Kind.HOST, "host"),
}
BAD = [
    "",
    "Nginx",
    "a b",
    "a:",
    "-a",
    "a//b",
    "../a",
    "a@sha256:12",
    "dir:relative",
    "oci:/a:",
    "x" * 300,
    "a\n",
]


@pytest.mark.parametrize("text", NAMES)
def test_a_registrys_name_is_made_complete(text: str) -> None:
    name, registry, path, tag = NAMES[text]
    assert parse_reference(text) == Reference(Kind.REGISTRY, name, path, tag, registry)


@pytest.mark.parametrize("text", FILES)
def test_files_are_named_by_their_path(text: str) -> None:
    assert parse_reference(text) == FILES[text]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_reference_is_refused_by_its_reason(text: str) -> None:
    with pytest.raises(ContainerError) as refused:
        parse_reference(text)
    assert refused.value.reason == "InvalidImageName"
