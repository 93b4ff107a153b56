"""`init`: write a profile to begin from."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from conformance.clause import Kind
from conformance.command import Wrong

CONFIGS: dict[Kind, dict[str, Any]] = {
    Kind.INTERFACE: {"mtu": 1400},
    Kind.CHAINED: {},
    Kind.IPAM: {"ipam": {"subnet": "10.90.0.0/24"}},
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("name", help="the plugin's type: the name of its executable")
    parser.add_argument("--kind", type=Kind, choices=list(Kind), default=Kind.INTERFACE, help="what it does")
    parser.add_argument("--file", type=Path, metavar="PATH", help="where it is written (NAME.json)")


def run(asked: argparse.Namespace) -> int:
    """Write it, unless there is one."""
    path: Path = asked.file or Path(f"{asked.name}.json")
    try:
        with path.open("x") as file:
            file.write(json.dumps(beginning(asked.name, asked.kind), indent=2) + "\n")
    except FileExistsError as error:
        raise Wrong(f"{path} is there already") from error
    except OSError as error:
        raise Wrong(f"{path} cannot be written: {error.strerror}") from error
    print(f"{path}: put a configuration into it with which ADD works, then:")
    print(f"  {asked.program} plugin --cni-path DIR --config {path} --type {asked.name}")
    print(f"what else a profile can say: {asked.program} profile schema")
    return 0


def beginning(type: str, kind: Kind) -> dict[str, Any]:
    """Return a small profile."""
    found: dict[str, Any] = {"type": type, "kind": kind.value, "config": CONFIGS[kind]}
    return found | ({"ipam": "required"} if kind is Kind.INTERFACE else {})
