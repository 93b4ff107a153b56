"""`podwire image`, as a person uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli, said
from tests.pod_runner.images.making import Made, files


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Return a layout with one image."""
    made = Made()
    made.image([files(a="x" * 1500)], "example.org/app:1")
    return made.write_layout(tmp_path / "layout")


def test_an_image_comes_and_goes(cli: Cli, archive: Path, tmp_path: Path) -> None:
    store = ("--store", tmp_path / "store")
    assert said(cli("image", "list", *store, "-o", "json")) == []
    assert "example.org/app:1" in cli("image", "add", archive, *store).stdout
    (listed,) = said(cli("image", "list", *store, "-o", "json"))
    assert (listed["image"], listed["size"]) == ("example.org/app:1", 1500)
    assert "1.5 kB" in cli("image", "list", *store).stdout
    assert "app:2" in cli("image", "add", archive, "--name", "app:2", *store).stdout
    assert cli("image", "remove", "example.org/app:1", "app:2", *store).exit_code == 0
    assert cli("image", "list", *store).stdout == ""
    assert said(cli("image", "prune", *store, "-o", "json"))["freed"] in (0, 1500)  # 0: it came just now


def test_an_archive_is_pulled_by_its_path(cli: Cli, archive: Path, tmp_path: Path) -> None:
    (pulled,) = said(cli("image", "pull", f"oci:{archive}", "--store", tmp_path / "store", "-o", "json"))
    assert pulled["image"] == f"oci:{archive}"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("remove", "missing:1"), "not here: missing:1"),
        (("pull", "Not A Name"), "is no name of an image"),
        (("add", "/nowhere.tar"), "/nowhere.tar: No such file or directory"),
    ],
)
def test_a_failure_is_a_sentence(cli: Cli, words: tuple[str, str], expected: str, tmp_path: Path) -> None:
    result = cli("image", *words, "--store", tmp_path / "store")
    assert result.exit_code == 1
    assert expected in result.stderr
    body = (
        said(cli("image", *words, "--store", tmp_path / "store", "-o", "json"))
        if words[0] != "remove"
        else None
    )
    assert body is None or expected in body["msg"]
