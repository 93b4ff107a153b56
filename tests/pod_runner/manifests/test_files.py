"""Files, folders and standard input become one reading; what cannot be read is a problem with its name."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from pod_runner.manifests.files import read_paths

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"
NOTHING = io.BytesIO()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with manifests, other files and a folder."""
    for name in ("b.yaml", "a.yml", "c.json", "readme.md", "deep/d.yaml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(MAP.format(name=path.stem))
    (tmp_path / "e.yaml").mkdir()
    return tmp_path


@pytest.mark.parametrize(("recursive", "names"), [(False, ["a", "b", "c"]), (True, ["a", "b", "c", "d"])])
def test_a_folder_is_read_by_name(folder: Path, recursive: bool, names: list[str]) -> None:
    reading = read_paths([folder], NOTHING, recursive=recursive)
    assert [one.name for one in reading.objects] == names
    assert reading.problems == ()


def test_what_is_named_is_read_whatever_it_is_called(folder: Path) -> None:
    reading = read_paths([folder / "readme.md", "-"], io.BytesIO(MAP.format(name="piped").encode()))
    assert [(one.name, one.place) for one in reading.objects] == [
        ("readme", f"{folder / 'readme.md'}:1:1"), ("piped", "stdin:1:1"),
    ]  # fmt: skip


def test_a_pipe_is_a_file(folder: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, MAP.format(name="through").encode())
    os.close(writer)
    assert [one.name for one in read_paths([f"/dev/fd/{reader}"], NOTHING).objects] == ["through"]
    os.close(reader)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, ": cannot be read: No such file or directory"),
        (b"\xff\xfe", ": it is not UTF-8: byte 0"),
        (b"a" * ((16 << 20) + 1), ": it has more than 16 MiB"),
        (b"a: [", ":2:1: did not find expected node content"),
    ],
    ids=["missing", "no text", "large", "broken"],
)
def test_what_cannot_be_read_is_told(folder: Path, content: bytes | None, said: str) -> None:
    bad = folder / "bad.txt"
    if content is not None:
        bad.write_bytes(content)
    reading = read_paths([bad, folder / "b.yaml"], NOTHING)
    assert [f"{one}".removeprefix(f"{bad}") for one in reading.problems] == [said]
    assert [one.name for one in reading.objects] == ["b"]


def test_what_stood_before_a_break_is_read(folder: Path) -> None:
    bad = folder / "bad.txt"
    bad.write_text(f"{MAP.format(name='good')}---\na: [\n")
    reading = read_paths([bad], NOTHING)
    assert [one.name for one in reading.objects] == ["good"]
    assert [one.place for one in reading.errors] == [f"{bad}:6:1"]


def test_the_namespace_is_given_where_there_is_none(folder: Path) -> None:
    text = MAP.format(name="a, namespace: own") + "---\n" + MAP.format(name="b") + "---\n"
    text += MAP.format(name="c").replace("ConfigMap", "Namespace")
    reading = read_paths(["-"], io.BytesIO(text.encode()), namespace="given")
    assert [one.namespace for one in reading.objects] == ["own", "given", ""]
