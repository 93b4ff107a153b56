"""Which images a store knows by name: one file, read whole and written whole."""

from __future__ import annotations

import json
import time
from pathlib import Path

from pydantic import Field, ValidationError

from cni_spec.config import SpecModel
from pod_runner.images.documents import Digest
from pod_runner.images.locks import held, write_whole


class Entry(SpecModel):
    """An image under a name. `layers` are diff ids, the lowest first; times in seconds since 1970.

    `stamp` is what the archive looked like that it came from, "" for one from elsewhere; `checked` when the
    registry was asked last.
    """

    digest: str
    configuration: Digest
    layers: tuple[Digest, ...]
    made: float
    checked: float
    stamp: str = ""


class _File(SpecModel):
    version: int = 1
    images: dict[str, Entry] = Field(default_factory=dict)


class ImageIndex:
    """The file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Entry]:
        """Return all names; none where the file is damaged: images can be fetched again."""
        try:
            return _File.model_validate_json(self._path.read_bytes(), strict=True).images
        except FileNotFoundError:
            return {}
        except ValidationError:
            return {}

    def put(self, names: tuple[str, ...], entry: Entry) -> None:
        """Let names lead to an image."""
        with held(self._path.with_suffix(".lock")):
            self._write(self.read() | dict.fromkeys(names, entry))

    def remove(self, name: str) -> bool:
        """Forget a name; False if nobody has it."""
        with held(self._path.with_suffix(".lock")):
            known = self.read()
            found = known.pop(name, None)
            self._write(known)
        return found is not None

    def _write(self, images: dict[str, Entry]) -> None:
        body = {"version": 1, "images": {name: one.model_dump() for name, one in sorted(images.items())}}
        write_whole(self._path, json.dumps(body, indent=1).encode())


def now() -> float:
    """Return the time that entries have."""
    return time.time()
