"""Each mistake of `mistakes.txt` is told where it stands, in the words of whoever must mend it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pod_runner.manifests.reading import read

POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: web}}
spec:
  {spec}
  containers:
  - name: web
    image: host
    ports: [{{containerPort: 80, name: http}}]
    {container}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  {spec}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: web, image: host}}]}}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  {spec}
"""


def _cases() -> list[tuple[str, str, list[str]]]:
    """Return section, what was written, and what is said, of blocks between empty lines."""
    cases, section = [], ""
    for block in re.split(r"\n{2,}", Path(__file__).with_name("mistakes.txt").read_text().strip()):
        if block.startswith("# "):
            section = block.removeprefix("# ")
            continue
        lines = block.split("\n")
        said = [line.removeprefix("=> ") for line in lines if line.startswith("=> ")]
        cases.append((section, "\n".join(lines[: -len(said)]), said))
    return cases


def _whole(section: str, written: str) -> str:
    match section:
        case "containers":
            return POD.format(container=written, spec="volumes: [{name: data, emptyDir: {}}]")
        case "pods":
            return POD.format(container="", spec=written)
        case "deployments":
            return DEPLOYMENT.format(spec=written)
        case "services":
            return SERVICE.format(spec=written)
    return written


def _title(part: object) -> str:
    return part if isinstance(part, str) else ""


@pytest.mark.parametrize(("section", "written", "said"), _cases(), ids=_title)
def test_a_mistake_is_told(section: str, written: str, said: list[str]) -> None:
    problems = read(_whole(section, written), "x").problems
    assert [f"{one}".removeprefix("x:") for one in problems] == said


@pytest.mark.parametrize("section", ["containers", "pods", "deployments"])
def test_what_they_stand_in_is_good(section: str) -> None:
    assert read(_whole(section, ""), "x").problems == ()
