"""`profile`: the schema of profiles, an example, or whether a file is one."""

from __future__ import annotations

import argparse
from pathlib import Path

from conformance.command import Wrong
from conformance.profile import SCHEMA, SHIPPED, read_profile, shipped_profiles


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    doings = parser.add_subparsers(dest="doing", required=True, metavar="WHAT")
    doings.add_parser("schema", help="print the JSON schema")
    example = doings.add_parser("example", help="print a profile that ships")
    example.add_argument("type", nargs="?", default="bridge", help="whose (bridge)")
    check = doings.add_parser("check", help="say whether a file is a profile")
    check.add_argument("file", nargs="+", type=Path)


def run(asked: argparse.Namespace) -> int:
    """Print what was asked for."""
    if asked.doing == "schema":
        print(SCHEMA.read_text(), end="")
    elif asked.doing == "example":
        print(_shipped(asked.type).read_text(), end="")
    else:
        return _check(asked.file)
    return 0


def _shipped(type: str) -> Path:
    if type not in shipped_profiles():
        raise Wrong(f"no profile of {type!r} ships; there are {', '.join(shipped_profiles())}")
    return SHIPPED / f"{type}.json"


def _check(files: list[Path]) -> int:
    status = 0
    for path in files:
        try:
            found = read_profile(path)
        except (OSError, ValueError) as error:
            print(error)
            status = 1
        else:
            print(f"{path}: a profile of {found.type}, {found.kind.value}")
    return status
