"""The Containerfile: what it copies is there and enough, and the manifests run what it makes."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path

from tests.deploy.kustomize import FOLDER, expand
from tests.deploy.pod import PATH
from tests.deploy.test_manifests import OVERLAYS, containers, pod_of

REPOSITORY = Path(__file__).parents[2]
CONTAINERFILE = (REPOSITORY / "deploy/Containerfile").read_text().replace("\\\n", " ")
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


def instructions(name: str) -> list[list[str]]:
    return [shlex.split(line)[1:] for line in CONTAINERFILE.splitlines() if line.startswith(f"{name} ")]


def test_every_package_is_copied_into_it() -> None:
    copied = {source for words in instructions("COPY") if words[0][0] != "-" for source in words[:-1]}
    packages = {
        name.removesuffix("*") for name in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    }
    assert packages <= copied
    assert {"pyproject.toml", "setup.py", PROJECT["project"]["readme"]} <= copied
    for one in copied:
        assert (REPOSITORY / one).exists(), one


def test_commands_are_found_by_its_path() -> None:
    assert [f"PATH={PATH}"] in instructions("ENV")


def test_manifests_run_this_version_of_it() -> None:
    for overlay in OVERLAYS:
        for one in containers(pod_of(expand(overlay))):
            assert one["image"] == f"podwire:{PROJECT['project']['version']}"


def test_every_overlay_is_told_of() -> None:
    told = (REPOSITORY / "deploy/README.md").read_text()
    for overlay in OVERLAYS:
        assert f"| `{overlay.name}` |" in told
    assert f"{FOLDER.relative_to(REPOSITORY)}/" in told
