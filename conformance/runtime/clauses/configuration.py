"""What a plugin reads on stdin: made of the network's list."""

from __future__ import annotations

import json
from typing import Any

from conformance.clause import Level, NotApplicable, expect
from conformance.runtime.case import NETWORK, RuntimeCase
from conformance.runtime.clause import runtime_clause
from conformance.runtime.clauses.asking import added, types_of
from conformance.runtime.records import FIRST, SECOND, THIRD

Json = dict[str, Any]
DERIVING = "3, Deriving"
UNKNOWN: Json = {
    "x-text": "a \"quoted\" line\nand höhe", "x-number": 4711, "x-fraction": 0.25, "x-true": True,
    "x-nothing": None, "x-list": [3, 1, 2, []], "x-object": {"B": {"a": [{"Z": 1, "y": None}]}, "empty": {}},
    "args": {"cni": {"labels": [{"key": "k", "value": "v"}]}},
}  # fmt: skip
SUPPLIED: Json = {
    "portMappings": [{"hostPort": 18080, "containerPort": 80, "protocol": "tcp"}],
    "aliases": ["one", "two"],
    "mac": "02:00:00:00:00:07",
}
DECLARED = {"portMappings": True, "aliases": False, "bandwidth": True}


@runtime_clause("61", Level.MUST, "1, Version considerations", "picks the highest version", since="1.1.0")
def picks_the_highest_version(case: RuntimeCase) -> None:
    """Of the versions in cniVersion and cniVersions the runtime picks the highest that it supports itself.

    A list that names versions of the future is valid, and must not be refused for them.
    """
    case.network(cniVersion="0.4.0", cniVersions=["0.4.0", case.version, "1.0.0", "97.0.0"])
    container, _ = added(case)
    case.run("del", container)
    for call in case.calls("ADD", "DEL"):
        told = call.config.get("cniVersion")
        expect(
            told == case.version,
            f"{call} was told the version {told!r}; of those listed the highest supported is {case.version}",
        )


@runtime_clause("62", Level.MUST, DERIVING, "passes a plugin's own keys on unaltered")
def passes_keys_on(case: RuntimeCase) -> None:
    """Keys of a plugin's object that the runtime does not know go to that plugin as they are, to no other.

    They are how a plugin is configured: a runtime cannot know them all.
    """
    case.network(entries={"b": UNKNOWN, "c": {"x-of-c": 1}})
    container, _ = added(case)
    case.run("del", container)
    for call in case.calls("ADD", "DEL"):
        told = {key: value for key, value in call.config.items() if key.startswith("x-") or key == "args"}
        expected = {SECOND: UNKNOWN, THIRD: {"x-of-c": 1}}.get(call.type, {})
        expect(
            json.dumps(told, sort_keys=True) == json.dumps(expected, sort_keys=True),
            f"{call}: the list has {json.dumps(expected)}, the plugin read {json.dumps(told)}",
        )


@runtime_clause("63", Level.MUST, DERIVING, "inserts the network's name and version")
def inserts_name_and_version(case: RuntimeCase) -> None:
    """Every plugin reads the network's name, and the version that the runtime has chosen."""
    case.network()
    container, _ = added(case)
    case.run("del", container)
    for call in case.calls("ADD", "DEL"):
        for key, expected in (("name", NETWORK), ("cniVersion", case.version), ("type", call.type)):
            told = call.config.get(key)
            expect(told == expected, f"{call} read the {key} {told!r}; the network's is {expected!r}")


@runtime_clause("64", Level.MUST, DERIVING, "supplies the capabilities that a plugin declares, no others")
def supplies_capabilities(case: RuntimeCase) -> None:
    """`runtimeConfig` has what is supplied *and* declared as true by the plugin; `capabilities` is not set.

    A plugin may refuse what it did not ask for, and one that asked must get it.
    """
    always = case.profile.supplies
    if not (always or case.profile.uses("capabilities")):
        raise NotApplicable(f"{case.profile.name} supplies no capabilities by these commands")
    case.network(entries={"a": {"capabilities": DECLARED}})
    added(case, capabilities=json.dumps(SUPPLIED))
    for call in case.calls("ADD"):
        told = call.config.get("runtimeConfig") or {}
        if call.type != FIRST:
            expect(not told, f"{call} declares no capabilities, but read the runtimeConfig {told}")
        elif always:
            expect(set(told) == set(always) & {"portMappings"}, f"{call} read the runtimeConfig {told}")
        else:
            expected = {"portMappings": SUPPLIED["portMappings"]}
            expect(
                told == expected,
                f"{call} declares {DECLARED}, supplied was {SUPPLIED}: expected the runtimeConfig "
                f"{expected}, came {told}",
            )
        declared = call.config.get("capabilities")
        expect(declared is None, f"{call} read `capabilities` {declared}, which must not be set for a plugin")


@runtime_clause(
    "86", Level.MUST, "1, Configuration", "adds plugins of a folder only where it may", since="1.1.0"
)
def plugins_of_a_folder(case: RuntimeCase) -> None:
    """With loadOnlyInlinedPlugins the list's plugins are all; else those of a folder are appended to them.

    The folder is the one that libcni reads: beside the list, named after the network, `*.conf`. A runtime
    need not read any; if it does, what it finds comes last.
    """
    folder = case.confdir / NETWORK
    folder.mkdir()
    (folder / "10-more.conf").write_text(json.dumps({"type": THIRD, "cniVersion": case.version}))
    case.network([FIRST, SECOND], loadOnlyInlinedPlugins=True)
    _, calls = added(case)
    case.note("in the folder", "10-more.conf with recording-c")
    expect(
        types_of(calls) == ["a", "b"],
        f"loadOnlyInlinedPlugins is true, but ADD was called for {types_of(calls)}",
    )
    case.network([FIRST, SECOND])
    _, calls = added(case)
    order = types_of(calls)[2:]
    expect(
        order in (["a", "b", "c"], ["a", "b"]),
        f"plugins of the folder come after those of the list, a and b; ADD was called for {order}",
    )


CLAUSES = (
    picks_the_highest_version,
    passes_keys_on,
    inserts_name_and_version,
    supplies_capabilities,
    plugins_of_a_folder,
)
