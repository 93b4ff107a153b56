"""Mutants of the clauses about hostile input: robust/no_json, wrong_values, environment, streams."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance.clause import EVERY_KIND, Kind
from conformance.mutants.mutant import Asked, Given, Good, Mutant

INTERFACE = frozenset({Kind.INTERFACE})
NOT_IPAM = frozenset({Kind.INTERFACE, Kind.CHAINED})
WITH_KEYS = frozenset({Kind.INTERFACE, Kind.IPAM})  # models whose configurations have keys of their own
TRACE = 'Traceback (most recent call last):\n  File "plugin", line 1, in <module>\nKeyError\n'
LARGE = 1 << 20  # bytes of stdin that the mutant does not survive
EMPTY = '{"cniVersion": "1.0.0", "interfaces": [], "ips": []}'


def takes_nul_bytes(asked: Asked, good: Good) -> Given:
    """Take a configuration of NUL bytes for an empty one."""
    return Given(0, EMPTY) if asked.stdin and not asked.stdin.strip(b"\0") else good(asked)


def crashes(when: Callable[[Asked], bool]) -> Callable[[Asked, Good], Given]:
    """Do what is right, and print a traceback where something is so."""

    def act(asked: Asked, good: Good) -> Given:
        given = good(asked)
        return replace(given, stderr=given.stderr + TRACE) if when(asked) else given

    return act


def dies_of_much(asked: Asked, good: Good) -> Given:
    """Die where stdin is large."""
    if len(asked.stdin) > LARGE:
        os.kill(os.getpid(), signal.SIGKILL)
    return good(asked)


def leaves_out_objects(asked: Asked, good: Good) -> Given:
    """Leave out a value that is an object where the good plugin refuses it."""
    given = good(asked)
    if asked.verb == "ADD" and given.status and (kept := _without_odd(asked.config)) != asked.config:
        return good(asked.with_config(kept))
    return given


def changes_others(asked: Asked, good: Good) -> Given:
    """After a DEL set the MTU of whatever interface its prevResult names, but bridges."""
    given = good(asked)
    previous = asked.config.get("prevResult")
    listed = previous.get("interfaces") if isinstance(previous, dict) else None
    for one in listed if asked.verb == "DEL" and isinstance(listed, list) else ():
        name = str(one.get("name", "")) if isinstance(one, dict) and not one.get("sandbox") else ""
        if (
            name
            and Path("/sys/class/net", name).is_dir()
            and not Path("/sys/class/net", name, "bridge").exists()
        ):
            subprocess.run(["ip", "link", "set", name, "mtu", "1300"], check=False)
    return given


def leaves_a_file_for_a_path(asked: Asked, good: Good) -> Given:
    """Write a file that is named as the end of a container id with slashes."""
    container = asked.environment.get("CNI_CONTAINERID", "")
    if "/" in container:
        folder = Path("/var/lib/cni")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / Path(container).name).write_text("x")
    return good(asked)


def takes_a_folder(asked: Asked, good: Good) -> Given:
    """Say that all went well where CNI_NETNS is a folder."""
    is_folder = Path(asked.environment.get("CNI_NETNS", "") or "/dev/null").is_dir()
    return Given(0, EMPTY) if asked.verb == "ADD" and is_folder else good(asked)


def needs_no_stdin(asked: Asked, good: Good) -> Given:
    """Say that all went well where stdin is closed."""
    closed = not asked.readable and not Path("/proc/self/fd/0").exists()
    return Given(0, EMPTY) if asked.verb == "ADD" and closed else good(asked)


def hides_its_deafness(asked: Asked, good: Good) -> Given:
    """Say that all went well where the result could not be written."""
    given = good(asked)
    with suppress(OSError):
        os.write(1, given.stdout.encode())
    return replace(given, stdout="")


def insists_on_its_log(asked: Asked, good: Good) -> Given:
    """Fail where a line for the log cannot be written."""
    try:
        os.write(2, b"begun\n")
    except OSError as error:
        body = {"cniVersion": asked.config.get("cniVersion", ""), "code": 5, "msg": f"stderr: {error}"}
        return Given(1, json.dumps(body))
    return good(asked)


def has_twice(asked: Asked) -> bool:
    """Tell whether a key is there twice."""
    found: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found.extend(key for at, (key, _) in enumerate(pairs) if key in dict(pairs[:at]))
        return dict(pairs)

    with suppress(ValueError, RecursionError):
        json.loads(asked.stdin, object_pairs_hook=note)
    return bool(found)


def is_deep(asked: Asked) -> bool:
    """Tell whether the JSON is nested deeply."""
    return asked.stdin.count(b"[[[[[[[[") > 100 and asked.stdin[:1] == b"{"


def has_odd_result(asked: Asked) -> bool:
    """Tell whether the addresses of prevResult are no list."""
    previous = asked.config.get("prevResult")
    return isinstance(previous, dict) and isinstance(previous.get("ips", []), int)


def _variable(name: str, is_odd: Callable[[str], bool]) -> Callable[[Asked], bool]:
    return lambda asked: asked.verb == "ADD" and is_odd(asked.environment.get(name, ""))


def _without_odd(config: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in config.items() if value != {"a": 1}}
    return {key: _without_odd(value) if isinstance(value, dict) else value for key, value in kept.items()}


MUTANTS = (
    Mutant("robust-no-json", "nul", "NUL bytes are taken for a configuration", EVERY_KIND, takes_nul_bytes),
    Mutant(
        "robust-strange-json",
        "twice",
        "a key that is there twice makes it crash",
        EVERY_KIND,
        crashes(has_twice),
    ),
    Mutant("robust-nesting", "deep", "deep JSON makes it crash", EVERY_KIND, crashes(is_deep)),
    Mutant("robust-large", "dies", "a large configuration ends it by a signal", EVERY_KIND, dies_of_much),
    Mutant(
        "robust-types",
        "leaves-out",
        "an object in place of a value is left out",
        WITH_KEYS,
        leaves_out_objects,
    ),
    Mutant("robust-others-links", "changes", "DEL changes others' interfaces", INTERFACE, changes_others),
    Mutant(
        "robust-prev-result",
        "crash",
        "addresses that are no list make it crash",
        NOT_IPAM,
        crashes(has_odd_result),
    ),
    Mutant(
        "robust-ids",
        "path",
        "a container id with slashes leaves a file",
        EVERY_KIND,
        leaves_a_file_for_a_path,
    ),
    Mutant(
        "robust-ifnames",
        "long",
        "a very long CNI_IFNAME makes it crash",
        EVERY_KIND,
        crashes(_variable("CNI_IFNAME", lambda name: len(name) > 1000)),
    ),
    Mutant(
        "robust-args",
        "no-pairs",
        "CNI_ARGS without = makes it crash",
        EVERY_KIND,
        crashes(_variable("CNI_ARGS", lambda text: bool(text) and "=" not in text)),
    ),
    Mutant("robust-netns", "folder", "a folder is taken for a namespace", INTERFACE, takes_a_folder),
    Mutant(
        "robust-bare",
        "path",
        "it crashes without PATH",
        EVERY_KIND,
        crashes(lambda asked: asked.verb == "ADD" and "PATH" not in asked.environment),
    ),
    Mutant("robust-no-stdin", "succeeds", "a closed stdin is no error", EVERY_KIND, needs_no_stdin),
    Mutant(
        "robust-no-stdout", "deaf", "a result that nobody heard is a success", EVERY_KIND, hides_its_deafness
    ),
    Mutant("robust-no-stderr", "insists", "it fails where it cannot log", EVERY_KIND, insists_on_its_log),
)
