"""The archive: a file for every part, and a manifest that says where each is from and what failed."""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from podwire.bundle.collecting import Collected, collect
from podwire.bundle.parts import Document, Part
from podwire.bundle.secrets import Secrets

MODE = 0o600  # addresses, names of pods and rules are nobody else's business
PATIENCE = 2.0  # seconds, after which a person wants to know what is going on
ABOUT = """What this host told about its container network. manifest.json says where each file is from,
and what could not be had. Passwords, tokens, keys and the user parts of URLs were taken out: where one
stood, it says [removed]. Addresses, names of pods and firewall rules are here: look before you publish.
"""


@dataclass(frozen=True)
class Entry:
    """A line of the manifest. `seconds` is how long it took; `problem` is "" where all went well."""

    name: str
    source: str
    seconds: float
    problem: str


def write_bundle(
    path: Path, parts: Sequence[Part], environment: Mapping[str, str], tell: Callable[[str], None]
) -> list[Entry]:
    """Write an archive that must not exist yet, and return its manifest; `tell` is told what takes long.

    Raises:
        OSError: it cannot be written, or there is something at that path; nothing is left behind.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
    try:
        with open(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:  # noqa: PTH123
            folder = path.name.removesuffix(".gz").removesuffix(".tar")
            return _fill(archive, folder, parts, environment, tell)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _fill(
    archive: tarfile.TarFile, folder: str, parts: Sequence[Part], environment: Mapping[str, str],
    tell: Callable[[str], None],
) -> list[Entry]:  # fmt: skip
    began, secrets = time.monotonic(), Secrets(environment)
    configs = [part for part in parts if isinstance(part, Document) and part.is_config]
    read: dict[Part, Collected] = {part: collect(part, environment) for part in configs}
    for collected in read.values():  # all of them first: one file's secret may be in another's text
        secrets.learn(collected.text)
    entries = []
    for part in parts:
        if time.monotonic() - began > PATIENCE:
            tell(f"collecting {part.source}")
        start = time.monotonic()
        collected = read.get(part) or collect(part, environment)
        entries.append(_entry(part, collected, secrets, time.monotonic() - start))
        if collected.text:
            _add(archive, f"{folder}/{part.name}", secrets.clean(collected.text))
    _add(archive, f"{folder}/README.txt", ABOUT)
    _add(archive, f"{folder}/manifest.json", json.dumps([vars(entry) for entry in entries], indent=4))
    return entries


def _entry(part: Part, collected: Collected, secrets: Secrets, seconds: float) -> Entry:
    problem = secrets.clean(collected.problem)
    return Entry(part.name, secrets.clean(part.source), round(seconds, 3), problem)


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode()
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(data), MODE, int(time.time())
    archive.addfile(member, io.BytesIO(data))
