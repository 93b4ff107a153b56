"""Manifests of pods and their like: the problems that reading them finds, as findings."""

from __future__ import annotations

import io
import json
from pathlib import Path

from cni_spec.positions import Spot
from pod_runner.manifests.files import read_paths
from pod_runner.manifests.problems import Problem
from podwire.lint.findings import Finding, Severity

SUFFIXES = (".yaml", ".yml")


def is_manifest(file: Path, data: bytes) -> bool:
    """Tell whether a file is for `podwire apply`, no network: it is YAML, or JSON with a kind."""
    if file.suffix in SUFFIXES:
        return True
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):  # what is broken is judged by its name
        return False
    return isinstance(body, dict) and "kind" in body


def lint_manifest(file: Path) -> list[Finding]:
    """Return what there is to say about a manifest, in the order of its text."""
    return [_finding(file, problem) for problem in read_paths([file], io.BytesIO()).problems]


def _finding(file: Path, problem: Problem) -> Finding:
    place = problem.place.removeprefix(f"{file}").split(":")[1:]  # of a file that is none there is no more
    spot = Spot(*(int(part) for part in place)) if place else Spot(1, 1)
    severity = Severity.ERROR if problem.is_error else Severity.WARNING
    sentence = f"{problem.path}: {problem.sentence}" if problem.path else problem.sentence
    return Finding(file, spot, severity, sentence)
