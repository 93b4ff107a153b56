"""OCI's and Docker's documents -> values. Pure.

Image specification 1.1 (index, manifest, configuration) and Docker's of the same shape (schema 2); of an
archive of `docker save` the list in manifest.json. What is too large, or of another shape, is an ImageError.
"""

from __future__ import annotations

import platform
from typing import Annotated, TypeVar

from pydantic import Field

from cni_spec.config import SpecModel, validate
from cni_spec.errors import CniError
from cni_spec.json_input import SIZE_LIMIT, decode_object
from pod_runner.images.errors import ImageError

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json",
)  # fmt: skip
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json",
)  # fmt: skip
DOCUMENT_MAX = SIZE_LIMIT  # bytes; registries take 4 MiB
LAYERS_MAX = 500  # overlayfs takes no more (OVL_MAX_STACK); Docker 127
# uname's words -> Go's, which images use
ARCHITECTURES = {
    "x86_64": ("amd64", ""), "aarch64": ("arm64", "v8"), "armv7l": ("arm", "v7"), "armv6l": ("arm", "v6"),
    "i686": ("386", ""), "loongarch64": ("loong64", ""),
}  # fmt: skip

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Model = TypeVar("Model", bound=SpecModel)


class Platform(SpecModel):
    """Which machine an image is for."""

    os: str = ""
    architecture: str = ""
    variant: str = ""


class Descriptor(SpecModel):
    """A blob that another names. `size` in bytes."""

    media_type: str = Field("", alias="mediaType")
    digest: Digest
    size: Annotated[int, Field(ge=0)] = 0
    platform: Platform | None = None
    annotations: dict[str, str] = Field(default_factory=dict)


class Index(SpecModel):
    """One image for several machines, or a layout's images."""

    manifests: tuple[Descriptor, ...]


class Manifest(SpecModel):
    """One image: its configuration, and its layers, the lowest first."""

    config: Descriptor
    layers: Annotated[tuple[Descriptor, ...], Field(max_length=LAYERS_MAX)]


class Execution(SpecModel):
    """What the author says of how it is run."""

    user: str = Field("", alias="User")
    env: tuple[str, ...] = Field((), alias="Env")
    entrypoint: tuple[str, ...] = Field((), alias="Entrypoint")
    cmd: tuple[str, ...] = Field((), alias="Cmd")
    working_dir: str = Field("", alias="WorkingDir")
    stop_signal: str = Field("", alias="StopSignal")


class RootLayers(SpecModel):
    """The digests of the layers' plain tar files, the lowest first."""

    diff_ids: Annotated[tuple[Digest, ...], Field(max_length=LAYERS_MAX)]


class Configuration(SpecModel):
    """An image's configuration."""

    os: str = "linux"
    architecture: str = ""
    config: Execution = Execution()
    rootfs: RootLayers


class SavedImage(SpecModel):
    """An image of `docker save`: names of files in the archive."""

    config: str = Field(alias="Config")
    names: tuple[str, ...] = Field((), alias="RepoTags")
    layers: Annotated[tuple[str, ...], Field(max_length=LAYERS_MAX)] = Field(alias="Layers")


class SavedImages(SpecModel):
    """manifest.json."""

    images: tuple[SavedImage, ...]


def read_document(model: type[Model], body: bytes, what: str) -> Model:
    """Read a document; a null counts as not said. Raises ImageError; `what` names it."""
    try:
        plain = _without_nulls(decode_object(body, what))
        assert isinstance(plain, dict)
        return validate(model, plain)
    except CniError as error:
        said = error.msg if error.msg.startswith(what) else f"{what}: {error.msg}"
        raise ImageError(said) from error


def read_saved(body: bytes, what: str) -> tuple[SavedImage, ...]:
    """Read manifest.json, which is a list. Raises ImageError."""
    return read_document(SavedImages, b'{"images": %b}' % body, what).images


def is_index(body: bytes, media_type: str, what: str) -> bool:
    """Tell whether a document is an index; the type may not be said."""
    if media_type in INDEX_TYPES + MANIFEST_TYPES:
        return media_type in INDEX_TYPES
    try:
        return "manifests" in decode_object(body, what)
    except CniError as error:
        raise ImageError(error.msg) from error


def this_machine() -> Platform:
    """Return what images for this machine say."""
    machine = platform.machine()
    architecture, variant = ARCHITECTURES.get(machine, (machine, ""))
    return Platform(os="linux", architecture=architecture, variant=variant)


def choose(manifests: tuple[Descriptor, ...], machine: Platform, what: str) -> Descriptor:
    """Return the manifest for a machine. Raises ImageError that names which there are."""
    named = [one for one in manifests if one.platform is not None]
    fitting = [
        one
        for one in named
        if one.platform is not None
        and (one.platform.os, one.platform.architecture) == (machine.os, machine.architecture)
    ]
    fitting.sort(key=lambda one: one.platform is None or one.platform.variant not in (machine.variant, ""))
    unnamed = [one for one in manifests if one.platform is None]
    if found := fitting or (unnamed if len(unnamed) == 1 else []):
        return found[0]
    there = ", ".join(f"{one.platform.os}/{one.platform.architecture}" for one in named if one.platform)
    wanted = f"{machine.os}/{machine.architecture}"
    raise ImageError(
        f"{what}: nothing for {wanted} among {len(manifests)} manifests ({there or 'no platform'})"
    )


def _without_nulls(value: object) -> object:
    match value:
        case dict():
            return {key: _without_nulls(one) for key, one in value.items() if one is not None}
        case list():
            return [_without_nulls(one) for one in value if one is not None]
    return value
