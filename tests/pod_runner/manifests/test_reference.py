"""docs/manifests.md is what the table says now."""

from __future__ import annotations

from pathlib import Path

from pod_runner.manifests.fields import table
from pod_runner.manifests.reading import read
from pod_runner.manifests.reference import reference

PAGE = (Path(__file__).parents[3] / "docs" / "manifests.md").read_text()


def test_the_page_is_current() -> None:
    assert f"{reference()}\n" == PAGE


def test_the_page_says_where_many_machines_belong() -> None:
    said = "where people have many machines, Kubernetes is the engine, and podwire's plugins, overlay, proxy"
    assert f"{said} and DNS run under it" in " ".join(PAGE.split())


def test_the_page_names_every_field_and_kind() -> None:
    known = table()
    for section, fields in known.sections.items():
        rows = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
        assert all(f"| {name} |" in rows or f"| **{name}** |" in rows for name in fields), section
    assert all(f"| {kind} |" in PAGE for kind in known.other_kinds)


def test_the_examples_of_the_page_are_true() -> None:
    """The three lines of output are what reading says of such fields."""
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  priorityClassName: x\n"
    text += "  containers: [{name: a, image: host, comand: x}]\n"
    text += "  volumes: [{name: a, nfs: {server: a, path: b}}]\n"
    for problem in read(text, "web.yaml").problems:
        assert f"{problem.path}: {problem.sentence}" in PAGE
