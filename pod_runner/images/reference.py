"""What a person writes for an image -> where it comes from, and the name it is kept under. Pure.

Names of registries are made complete as Docker does it ("nginx" is docker.io/library/nginx:latest); the other
forms are those of containers-transports(5): oci:PATH[:TAG], oci-archive:PATH[:TAG],
docker-archive:PATH[:NAME], dir:PATH (here a plain folder that is the root), docker://NAME.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from pod_runner.images.errors import NAME, ImageError
from pod_runner.images.image import HOST

LONGEST = 4096  # characters; PATH_MAX
NAME_LONGEST = 255  # distribution/reference: of a name without its tag
DEFAULT_REGISTRY, DEFAULT_TAG = "docker.io", "latest"

# distribution/reference's grammar (reference.go)
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?"
_TAG = r"[\w][\w.-]{0,127}"
_REST = re.compile(
    rf"(?P<path>{_PART}(?:/{_PART})*)(?::(?P<tag>{_TAG}))?(?:@(?P<digest>sha256:[0-9a-f]{{64}}))?", re.ASCII
)
_REGISTRY = re.compile(_HOST, re.ASCII)


class Kind(Enum):
    """How an image is reached."""

    HOST = "host"
    FOLDER = "dir"
    LAYOUT = "oci"
    OCI_ARCHIVE = "oci-archive"
    DOCKER_ARCHIVE = "docker-archive"
    REGISTRY = "docker"


FILES = (Kind.LAYOUT, Kind.OCI_ARCHIVE, Kind.DOCKER_ARCHIVE)


@dataclass(frozen=True)
class Reference:
    """Where an image comes from. `name` is what it is kept under.

    Of files: `path`, and `tag`, which of its images ("": the only one). Of registries: `registry`, `path` of
    the repository, and `tag` or a digest.
    """

    kind: Kind
    name: str
    path: str = ""
    tag: str = ""
    registry: str = ""


def parse_reference(text: str) -> Reference:
    """Read a reference.

    Raises:
        ImageError: it is none (reason InvalidImageName).
    """
    if not text or len(text) > LONGEST or not text.isprintable():
        raise ImageError("the image has no name, or one that cannot be printed", NAME)
    if text == HOST:
        return Reference(Kind.HOST, HOST)
    word, colon, rest = text.partition(":")
    kind = next((one for one in (Kind.FOLDER, *FILES) if colon and one.value == word), None)
    if kind is not None and not rest.isdigit():  # "dir:5000" would be a name with a tag
        return _of_file(kind, text, rest)
    return parse_name(
        rest.removeprefix("//") if word == Kind.REGISTRY.value and rest.startswith("//") else text
    )


def parse_name(text: str) -> Reference:
    """Read a name of a registry's image. Raises ImageError (InvalidImageName)."""
    first, slash, rest = text.partition("/")
    has_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry = first if has_registry else DEFAULT_REGISTRY
    found = _REST.fullmatch(rest if has_registry else text)
    if found is None or not _REGISTRY.fullmatch(registry) or len(registry + found["path"]) > NAME_LONGEST:
        raise ImageError(f'"{text}" is no name of an image: expected REGISTRY/NAME:TAG, in lower case', NAME)
    path = found["path"]
    if registry in (DEFAULT_REGISTRY, "index.docker.io"):
        registry, path = DEFAULT_REGISTRY, path if "/" in path else f"library/{path}"
    tag = found["digest"] or found["tag"] or DEFAULT_TAG
    separator = "@" if found["digest"] else ":"
    return Reference(Kind.REGISTRY, f"{registry}/{path}{separator}{tag}", path, tag, registry)


def _of_file(kind: Kind, text: str, rest: str) -> Reference:
    path, colon, tag = rest.partition(":") if kind is not Kind.FOLDER else (rest, "", "")
    if not path.startswith("/") or (colon and not tag):
        raise ImageError(f'"{text}": expected {kind.value}: and a path from the root on', NAME)
    return Reference(kind, text, path, tag)
