"""What a plugin type is: its kind, a configuration that works, and what it promises. One JSON file a type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.clause import Kind
from conformance.schema import problems, resolved

Json = dict[str, Any]
SHIPPED = Path(__file__).parent / "profiles"
SCHEMA = SHIPPED / "schema.json"  # its properties are the fields of Profile


@dataclass(frozen=True)
class Profile:
    """One plugin type.

    In `config`, `setup` and `promises` the words @state@ (an empty folder of the case), @uplink@ (the host's
    interface with the default route), @number@ (the container's, from 1 on), @port@ and @mac@ (its own) and
    @given@ (the host's end of a chained plugin's interface) are replaced; in `tampering` also @ifname@,
    @container@, @network@, @host@ (the interface's other end, from the result), @address@ and @address6@.
    """

    type: str
    kind: Kind
    config: Json  # keys beside name, cniVersion, type and (interface plugins) ipam
    ipam: str = "required"  # "required", "optional" or "none": whether it delegates address allocation
    ifname: str = "eth0"  # CNI_IFNAME of its attachments
    makes: tuple[str, ...] = (
        "container",
        "host",
    )  # the interfaces that an ADD makes: in the container, on the host
    runtime_config: Json = field(default_factory=dict)  # what a runtime supplies with every call
    invalid: tuple[
        Json, ...
    ] = ()  # changes of the configuration that it must refuse; None as a value removes the key
    unsupported: tuple[Json, ...] = ()  # changes that name a field's value it does not support (code 2)
    exhausted: Json = field(
        default_factory=dict
    )  # changes with which one attachment takes all that there is: the next ADD fails, STATUS must say so
    unable: tuple[
        Json, ...
    ] = ()  # changes with which it cannot serve an ADD and knows it (STATUS must say so)
    dishonoured: tuple[
        Json, ...
    ] = ()  # changes whose capability data (runtimeConfig) it cannot honour, and must refuse
    shares_addresses: bool = False  # its configuration names the addresses: each attachment has the same
    consumes: tuple[str, ...] = ()  # well-known keys whose meaning it keeps: "dns"
    tampering: tuple[
        tuple[str, ...], ...
    ] = ()  # commands on the host that undo what it made, and CHECK must see: one each
    tampering_inside: tuple[tuple[str, ...], ...] = ()  # the same in the container's namespace
    setup: tuple[tuple[str, ...], ...] = ()  # commands on the host before a case, such as making a device
    kernel: tuple[
        str, ...
    ] = ()  # kinds of links that it needs (ip-link(8) type), not judged where one cannot be made
    private: tuple[str, ...] = ()  # folders where it keeps state, beside /run and /var/lib/cni
    keeps: tuple[str, ...] = ()  # names of files (fnmatch) that may stay after the last DEL, such as locks
    promises: Mapping[str, Json] = field(
        default_factory=dict
    )  # datapath: a promise's name -> configuration that asks for it
    exempt: Mapping[str, str] = field(default_factory=dict)  # clause -> why it says nothing about this plugin


def read_profile(path: Path) -> Profile:
    """Read a profile.

    Raises:
        ValueError: the file is no profile; the text says where.
    """
    try:
        body = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    schema = resolved(json.loads(SCHEMA.read_text()))
    if found := list(problems(body, schema)):
        raise ValueError(f"{path}: {'; '.join(found)}")
    body.pop("$schema", None)
    body = {"type": path.stem, "config": {}} | body | {"kind": Kind(body["kind"])}
    return Profile(**{key: _frozen(value) for key, value in body.items()})


def shipped_profiles() -> dict[str, Profile]:
    """Return the profiles that come with the suite, by type."""
    return {path.stem: read_profile(path) for path in sorted(SHIPPED.glob("*.json")) if path != SCHEMA}


def filled(value: Any, places: Mapping[str, str | int]) -> Any:
    """Return a part of a profile with its places (@state@, ...) filled in; a number alone stays a number."""
    if isinstance(value, str):
        for name, text in places.items():
            if isinstance(text, int) and value == f"@{name}@":
                return text
            value = value.replace(f"@{name}@", str(text))
        return value
    if isinstance(value, dict):
        return {key: filled(one, places) for key, one in value.items()}
    return [filled(one, places) for one in value] if isinstance(value, list | tuple) else value


def changed(config: Json, changes: Json) -> Json:
    """Return a configuration with keys replaced, objects merged, and keys removed whose change is None."""
    merged = dict(config)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = changed(merged[key], value)
        else:
            merged[key] = value
    return merged


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(one) if isinstance(one, list) else one for one in value)
    return value
