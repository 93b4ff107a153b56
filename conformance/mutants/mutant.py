"""What a mutant is: a function around a good plugin, which breaks one rule."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from conformance.clause import Kind

Json = dict[str, Any]
ROBUST = frozenset({"robust-*"})  # they refuse, delete and look for what is left in every plight


@dataclass(frozen=True)
class Asked:
    """A call as it arrives: the whole environment, and stdin."""

    environment: Mapping[str, str]
    stdin: bytes
    readable: bool = True  # False: stdin cannot be read; the good plugin gets the same one

    @property
    def verb(self) -> str:
        """Return CNI_COMMAND."""
        return self.environment.get("CNI_COMMAND", "")

    @property
    def config(self) -> Json:
        """Return the configuration, {} where stdin holds no object."""
        try:
            found = json.loads(self.stdin)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def delegate(self) -> str:
        """Return `ipam.type`, "" where no delegate is named."""
        ipam = self.config.get("ipam")
        named = ipam.get("type") if isinstance(ipam, dict) else None
        return named if isinstance(named, str) else ""

    @property
    def previous(self) -> Json:
        """Return `prevResult`, {} where there is none."""
        found = self.config.get("prevResult")
        return found if isinstance(found, dict) else {}

    def with_config(self, config: Json) -> Asked:
        """Return the same call with another configuration."""
        return replace(self, stdin=json.dumps(config).encode())

    def with_environment(self, **variables: str) -> Asked:
        """Return the same call with variables replaced; "" removes one."""
        merged = {**self.environment, **variables}
        return replace(self, environment={key: value for key, value in merged.items() if value})


@dataclass(frozen=True)
class Given:
    """What goes back: exit status, stdout, stderr."""

    status: int = 0
    stdout: str = ""
    stderr: str = ""

    @property
    def document(self) -> Json:
        """Return the JSON object on stdout; {} where there is none."""
        try:
            found = json.loads(self.stdout)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def with_document(self, document: Json) -> Given:
        """Return the same with another object on stdout."""
        return replace(self, stdout=json.dumps(document))


Good = Callable[[Asked], Given]  # the good plugin


@dataclass(frozen=True)
class Mutant:
    """One broken rule. `kinds` are the kinds of good plugins that it can be put around.

    `also` names other clauses that necessarily see the same fault ("robust-*": all of these); `breaks` says
    why.
    """

    clause: str
    name: str  # "a-taken-name-succeeds"; with the clause it is unique
    breaks: str  # one sentence: what this plugin does wrong
    kinds: frozenset[Kind]
    act: Callable[[Asked, Good], Given]
    also: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """Return the name by which it is found."""
        return f"{self.clause}-{self.name}"
