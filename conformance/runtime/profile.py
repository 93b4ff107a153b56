"""How a runtime is spoken to: one JSON file a runtime, or one command line with {verb} in it.

Places in commands and in the environment are replaced: {network} (its name), {netns} (a path), {container}
(an id), {ifname}, {args} (K=V;K=V), {capabilities} (a JSON object), {confdir} (where configuration lists
are), {cnipath} (folders of plugins, with colons between), {folder} (an empty folder of the case), {verb}.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Words = tuple[str, ...]
SHIPPED = Path(__file__).parent / "profiles"
VERBS = ("add", "del", "check", "gc", "status")
PLACE = re.compile(r"\{(verb|network|netns|container|ifname|args|capabilities|confdir|cnipath|folder)\}")
# What cnitool reads; other command lines do not mind
CNITOOL = {
    "NETCONFPATH": "{confdir}",
    "CNI_PATH": "{cnipath}",
    "CNI_ARGS": "{args}",
    "CAP_ARGS": "{capabilities}",
    "CNI_IFNAME": "{ifname}",
}


@dataclass(frozen=True)
class RuntimeProfile:
    """One runtime.

    A runtime whose add has no {netns} makes the namespaces itself; one whose add has no {container} chooses
    the ids.
    """

    name: str
    commands: Mapping[str, Words]  # of VERBS; one that is not there cannot be asked
    environment: Mapping[str, str] = field(default_factory=dict)  # of the commands and of daemons
    version: str = ""  # the newest CNI version that it speaks; "" is found out
    setup: tuple[Words, ...] = ()  # run before a case, in its world
    daemon: tuple[Words, ...] = ()  # started after that; they end with the world
    ready: Words = ()  # asked again until it succeeds, after the daemons' start
    teardown: tuple[Words, ...] = ()  # run after a case, whatever comes of them
    restart: tuple[Words, ...] = ()  # make the runtime forget what it holds in memory
    confdir: str = ""  # where it reads configuration lists, if that is fixed; emptied for each case
    cnipath: str = ""  # the folder where it looks for plugins, if that is fixed
    private: Words = ()  # folders that are empty in each case, beside /run, /var/lib/cni and /etc/cni
    holds: str = ""  # `add` prints this line when attached, and goes on until `del`
    own_ids: bool = False  # it names containers itself, whatever {container} is
    supplies: Words = ()  # capabilities that its add supplies always
    cgroups: bool = False  # it needs the machine's cgroups
    unreachable: Mapping[str, str] = field(
        default_factory=dict
    )  # clause -> why it cannot be judged by these commands

    def uses(self, place: str) -> bool:
        """Tell whether `add` hands over a place."""
        texts = (*self.commands["add"], *self.environment.values())
        return any(f"{{{place}}}" in text for text in texts)


def read_runtime_profile(path: Path) -> RuntimeProfile:
    """Read a profile. Raises ValueError with the file and what is wrong in it."""
    try:
        body = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    body.setdefault("name", path.stem)
    known = RuntimeProfile.__dataclass_fields__
    for key in body:
        if key not in known:
            raise ValueError(f"{path}: a runtime's profile has no key {key!r}; it has {', '.join(known)}")
    commands = {verb: words(line) for verb, line in body.get("commands", {}).items()}
    if not {"add", "del"} <= set(commands) <= set(VERBS):
        raise ValueError(f"{path}: commands must have add and del, and may have check, gc and status")
    lists = {
        key: tuple(words(line) for line in body[key])
        for key in ("setup", "daemon", "teardown", "restart")
        if key in body
    }
    plain = {key: tuple(body[key]) for key in ("private", "supplies") if key in body}
    return RuntimeProfile(
        **(body | lists | plain | {"commands": commands, "ready": words(body.get("ready", []))})
    )


def profile_of_command(template: str, name: str = "", verbs: Sequence[str] = VERBS) -> RuntimeProfile:
    """Return the profile of a command line such as `cnitool {verb} {network} {netns}`.

    `verbs` are those that it knows.

    Raises:
        ValueError: it has no {verb}.
    """
    line = words(template)
    if not any("{verb}" in word for word in line):
        raise ValueError(f"{template!r}: a command has {{verb}} where add, del, check, gc or status stand")
    commands = {verb: tuple(word.replace("{verb}", verb) for word in line) for verb in verbs}
    return RuntimeProfile(name or Path(line[0]).name, commands, CNITOOL)


def shipped_runtime_profiles() -> dict[str, RuntimeProfile]:
    """Return the profiles that come with the suite, by name."""
    return {path.stem: read_runtime_profile(path) for path in sorted(SHIPPED.glob("*.json"))}


def words(line: str | list[str]) -> Words:
    """Return an argument vector; one string is split as a shell does."""
    return tuple(shlex.split(line) if isinstance(line, str) else line)


def placed(text: str, places: Mapping[str, str]) -> str:
    """Return a word with its places filled in."""
    return PLACE.sub(lambda found: places[found[1]], text)
