"""Files, folders and standard input -> Reading. What cannot be read is a problem like others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from pod_runner.manifests.problems import Problem
from pod_runner.manifests.reading import DEFAULT_NAMESPACE, Reading, read
from service_proxy.sources.documents import SUFFIXES

FILE_LIMIT = 16 << 20  # bytes; an object of an API server has at most 1.5 MiB
STDIN = "-"


def read_paths(
    paths: Sequence[str | Path],
    stdin: BinaryIO,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    recursive: bool = False,
) -> Reading:
    """Return the objects of files and folders in their order; `-` is `stdin`.

    Of a folder these are its .yaml, .yml and .json files by name, `recursive` with those of folders in it.
    """
    reading = Reading()
    for path in paths:
        if f"{path}" == STDIN:
            reading += _read_bytes(stdin.read(FILE_LIMIT + 1), "stdin", namespace)
        else:
            for file in _files_of(Path(path), recursive=recursive):
                reading += _read_file(file, namespace)
    return reading


def _files_of(path: Path, *, recursive: bool) -> Iterable[Path]:
    if not path.is_dir():
        return [path]
    return sorted(_files_in(path, recursive=recursive))


def _files_in(folder: Path, *, recursive: bool) -> Iterator[Path]:
    for path in folder.rglob("*") if recursive else folder.iterdir():
        if path.suffix in SUFFIXES and path.is_file():
            yield path


def _read_file(path: Path, namespace: str) -> Reading:
    try:
        with path.open("rb") as file:  # a pipe as well: `apply -f <(...)`
            content = file.read(FILE_LIMIT + 1)
    except OSError as error:
        return _refused(f"{path}", f"cannot be read: {error.strerror}")
    return _read_bytes(content, f"{path}", namespace)


def _read_bytes(content: bytes, source_name: str, namespace: str) -> Reading:
    if len(content) > FILE_LIMIT:
        return _refused(source_name, f"it has more than {FILE_LIMIT >> 20} MiB")
    try:
        return read(content.decode("utf-8-sig"), source_name, namespace)
    except UnicodeDecodeError as error:
        return _refused(source_name, f"it is not UTF-8: byte {error.start}")


def _refused(source_name: str, sentence: str) -> Reading:
    return Reading((), (Problem((), sentence, place=source_name),))
