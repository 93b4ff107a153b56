"""Tars, layouts and archives that tests put together."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pod_runner.images.documents import this_machine

LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
MACHINE = this_machine()


def digest(body: bytes) -> str:
    """Return a blob's digest."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def entry(name: str, body: bytes | None = None, **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """Describe a member: a file where it has a body, else what `type` says, a folder by default."""
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE if body is None else tarfile.REGTYPE
    info.mode = 0o755 if body is None else 0o644
    info.size = len(body or b"")
    for key, value in fields.items():
        setattr(info, key, value)
    return info, body or b""


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    """Describe a link, symbolic by default."""
    return entry(name, None, type=kind, linkname=target)


def tar(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Put members into a tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, body in entries:
            archive.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


def files(**texts: str) -> bytes:
    """Return a layer with files; `a__b` is a/b."""
    return tar(*(entry(name.replace("__", "/"), text.encode()) for name, text in texts.items()))


@dataclass
class Made:
    """Blobs of images, by digest, and the manifests that an index names."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: list[dict[str, object]] = field(default_factory=list)

    def put(self, body: bytes) -> dict[str, object]:
        """Keep a blob; return its descriptor without a type."""
        self.blobs[digest(body)] = body
        return {"digest": digest(body), "size": len(body)}

    def image(
        self,
        layers: Sequence[bytes],
        name: str = "",
        *,
        config: Mapping[str, object] | None = None,
        architecture: str = MACHINE.architecture,
        is_packed: bool = True,
    ) -> dict[str, object]:
        """Make an image of plain tars; return its manifest's descriptor, which is in the index as well."""
        configuration = {
            "os": "linux", "architecture": architecture, "config": config,
            "rootfs": {"type": "layers", "diff_ids": [digest(one) for one in layers]},
        }  # fmt: skip
        packed = [gzip.compress(one, 1, mtime=0) if is_packed else one for one in layers]
        manifest = {
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, **self.put(json.dumps(configuration).encode())},
            "layers": [{"mediaType": LAYER, **self.put(one)} for one in packed],
        }  # fmt: skip
        found = {"mediaType": MANIFEST, **self.put(json.dumps(manifest).encode())}
        found["platform"] = {"os": "linux", "architecture": architecture}
        self.manifests.append({**found, "annotations": {"org.opencontainers.image.ref.name": name}})
        return found

    def index(self, manifests: Sequence[Mapping[str, object]]) -> dict[str, object]:
        """Make an index of manifests; return its descriptor."""
        body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(manifests)}
        return {"mediaType": INDEX, **self.put(json.dumps(body).encode())}

    def write_layout(self, folder: Path, manifests: Sequence[Mapping[str, object]] | None = None) -> Path:
        """Write an OCI layout."""
        (folder / "blobs/sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        listed = self.manifests if manifests is None else manifests
        (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": listed}))
        for name, body in self.blobs.items():
            (folder / "blobs" / name.replace(":", "/")).write_bytes(body)
        return folder


def write_archive(folder: Path, target: Path) -> Path:
    """Put a layout into a tar."""
    with tarfile.open(target, "w") as archive:
        archive.add(folder, ".")
    return target
