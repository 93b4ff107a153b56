"""Make container images from the machine's own busybox, byte for byte the same every time.

A docker archive, the layout that `docker save` writes and that `ctr images import` and `podman load`
read: a layer as a tar file named by its digest, one configuration per image, `manifest.json`. No registry
and no root are needed. The layer holds a static busybox and its applets as symbolic links; the busybox
image and the pause image (which does nothing but keep a pod's namespaces) differ only in their command.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path

BUSYBOX = "docker.io/library/busybox:podwire"  # fully named, so that no client asks a registry
PAUSE = "docker.io/library/pause:podwire"
COMMANDS = {BUSYBOX: ["/bin/sh"], PAUSE: ["/bin/sleep", "2147483647"]}  # seconds; until it is killed
APPLETS = (
    "cat", "echo", "env", "hostname", "httpd", "id", "ifconfig", "ip", "ls", "mkdir", "nc", "nslookup",
    "ping", "ping6", "ps", "sh", "sleep", "true", "wget",
)  # fmt: skip
FOLDERS = ("bin", "dev", "etc", "proc", "root", "sys", "tmp")
CREATED = "1970-01-01T00:00:00Z"


def find_busybox() -> Path:
    """Find the machine's busybox.

    Raises:
        FileNotFoundError: there is none; Debian and Ubuntu have a static one as busybox-static.
    """
    found = shutil.which("busybox", path="/bin:/usr/bin:/usr/local/bin")
    if found is None:
        raise FileNotFoundError("this machine has no busybox; install the package busybox-static")
    return Path(found)


def write_archive(target: Path, busybox: Path) -> None:
    """Write the images BUSYBOX and PAUSE into one docker archive at `target`."""
    layer = _layer(busybox.read_bytes())
    digest = hashlib.sha256(layer).hexdigest()
    files = {f"{digest}/layer.tar": layer}
    manifest = []
    for reference, command in COMMANDS.items():
        configuration = _configuration(digest, command)
        name = f"{hashlib.sha256(configuration).hexdigest()}.json"
        files[name] = configuration
        manifest.append({"Config": name, "RepoTags": [reference], "Layers": [f"{digest}/layer.tar"]})
    files["manifest.json"] = _json(manifest)
    target.write_bytes(_tar(_file(name, content) for name, content in files.items()))


Entry = tuple[tarfile.TarInfo, bytes]


def _layer(busybox: bytes) -> bytes:
    """Lay out the root file system, as an uncompressed tar."""
    entries = [_folder(name) for name in FOLDERS]
    entries.append(_file("bin/busybox", busybox, mode=0o755))
    entries += [_link(f"bin/{applet}", "busybox") for applet in APPLETS]
    entries.append(_file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n"))
    entries.append(_file("etc/group", b"root:x:0:\n"))
    return _tar(entries)


def _configuration(layer_digest: str, command: list[str]) -> bytes:
    """Describe one image (OCI image specification 1.0, image configuration)."""
    return _json(
        {
            "architecture": _architecture(),
            "os": "linux",
            "created": CREATED,
            "config": {"Cmd": command, "Env": ["PATH=/bin"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
            "history": [{"created": CREATED, "created_by": "podwire"}],
        }
    )


def _architecture() -> str:
    """Name this machine's processor as Go does, which is what image configurations use."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}.get(machine, machine)


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _tar(entries: Iterable[Entry]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    """Describe a member that belongs to root and is as old as the epoch (TarInfo's defaults)."""
    info = tarfile.TarInfo(name)
    info.type, info.mode = kind, mode
    return info


def _folder(name: str) -> Entry:
    return _entry(name, tarfile.DIRTYPE, 0o755), b""


def _file(name: str, content: bytes, mode: int = 0o644) -> Entry:
    info = _entry(name, tarfile.REGTYPE, mode)
    info.size = len(content)
    return info, content


def _link(name: str, to: str) -> Entry:
    info = _entry(name, tarfile.SYMTYPE, 0o777)
    info.linkname = to
    return info, b""
