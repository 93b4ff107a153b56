"""What a clause is given: a plugin in a fresh world, and calls of it that are written down."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from conformance.calls import Answer, Call, base_environment, make_call, make_calls
from conformance.clause import Failed, Kind, NotApplicable, expect
from conformance.delegate import TYPE, Delegate
from conformance.profile import Profile, changed, filled
from conformance.world.given import BRIDGE, UPLINK, give_interface, make_uplink
from conformance.world.looking import run
from conformance.world.namespaces import Netns, make_netns

Json = dict[str, Any]
KNOWN_VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
FIRST_PORT = 8000  # of the host: @port@ of the container n is 8000 + n
CHAINED_SINCE = "0.3.0"  # prevResult: a chained plugin has none before


@dataclass(frozen=True)
class Plugin:
    """An executable that is judged."""

    path: Path
    profile: Profile
    versions: tuple[str, ...]  # that its VERSION lists, as far as the suite knows them, oldest first

    @property
    def type(self) -> str:
        """Return the type, its file's name."""
        return self.path.name


@dataclass(frozen=True)
class Attachment:
    """A container's interface in a network: whom a call is about.

    `previous` is what plugins before gave (chained plugins), in the form of the version; `result` what the
    last ADD gave.
    """

    container: str
    ifname: str
    netns: Netns
    network: str
    previous: Json | None = None
    result: Json | None = None
    number: int = 1  # of the attachments of a case; a chained plugin's host end is `given<number>`


@dataclass(frozen=True)
class Step:
    """Something that was done or seen in a case, for its report."""

    what: str
    seen: str


@dataclass
class Case:
    """One clause on one plugin, in a world of its own; `version` is what its configurations say."""

    plugin: Plugin
    version: str
    folder: Path  # empty at first; the plugin's state folder (@state@) and the delegate's are in it
    cni_path: Sequence[Path]
    delegate: Delegate
    outside: Netns
    beside: Path | None = None  # another folder of plugins, for times
    slowest: float = 2  # times that a plugin may take as long as the other folder's
    steps: list[Step] = field(default_factory=list)
    _count: int = 0

    @property
    def profile(self) -> Profile:
        """Return the plugin's profile."""
        return self.plugin.profile

    @property
    def kind(self) -> Kind:
        """Return the plugin's kind."""
        return self.plugin.profile.kind

    @property
    def delegates(self) -> bool:
        """Tell whether this plugin is given an IPAM delegate."""
        return self.kind is Kind.INTERFACE and self.profile.ipam != "none"

    # --- attachments and configurations

    def attachment(
        self,
        *,
        container: str = "",
        ifname: str = "",
        network: str = "judged",
        version: str = "",
        netns: Netns | None = None,
    ) -> Attachment:
        """Make a container (or take another interface of one) for a call; nothing is called yet."""
        self._count += 1
        number = self._count
        where = netns or make_netns(f"pod{number}")
        name, label = container or f"container-{number}", ifname or self.profile.ifname
        previous = None
        if self.kind is Kind.CHAINED:
            previous = give_interface(where, label, number, version or self.version)
        return Attachment(name, label, where, network, previous, number=number)

    def config(
        self, attachment: Attachment | None = None, changes: Json | None = None, version: str = ""
    ) -> Json:
        """Return the network configuration of a call: the profile's, with the changes, for the attachment.

        A chained plugin's has its `prevResult`; that of DEL and CHECK is put there by `ask`.
        """
        number = attachment.number if attachment else 1
        places: dict[str, str | int] = {
            "state": str(self.folder / "state"), "uplink": UPLINK, "bridge": BRIDGE,
            "number": number, "given": f"given{number}", "port": FIRST_PORT + number,
            "mac": f"02:00:00:00:77:{number % 256:02x}",
        }  # fmt: skip
        network = attachment.network if attachment else "judged"
        own = {"cniVersion": version or self.version, "name": network, "type": self.plugin.type}
        body = own | filled(self.profile.config, places)
        if self.delegates:
            body["ipam"] = {"type": TYPE} | body.get("ipam", {})
        if self.profile.runtime_config:
            body["runtimeConfig"] = filled(self.profile.runtime_config, places)
        if attachment and attachment.previous is not None:
            body["prevResult"] = attachment.previous
        return changed(body, filled(changes or {}, places))

    # --- calls

    def ask(
        self,
        verb: str,
        attachment: Attachment | None = None,
        *,
        config: Json | None = None,
        stdin: bytes | None = None,
        env: Mapping[str, str | None] | None = None,
        readable: bool = True,
    ) -> Answer:
        """Make one call, whatever comes of it.

        Without `config` it is the attachment's; DEL and CHECK have the attachment's result as `prevResult`
        unless `config` is given. `stdin` is sent in place of a configuration; `env` replaces variables, None
        removes one. Where stdin is not `readable`, reading it fails.
        """
        call = self.call(verb, attachment, config=config, stdin=stdin, env=env)
        return self.make(replace(call, readable=readable))

    def call(
        self,
        verb: str,
        attachment: Attachment | None = None,
        *,
        config: Json | None = None,
        stdin: bytes | None = None,
        env: Mapping[str, str | None] | None = None,
    ) -> Call:
        """Return the call that `ask` would make."""
        body = self._body(verb, attachment) if config is None else config
        environment = self._environment(verb, attachment)
        for key, value in (env or {}).items():
            environment.pop(key, None)
            if value is not None:
                environment[key] = value
        sent = json.dumps(body).encode() if stdin is None else stdin
        return Call(self.plugin.path, environment, sent)

    def ask_at_once(self, verb: str, attachments: Sequence[Attachment]) -> list[Answer]:
        """Make one call for each attachment, all at the same time, whatever comes of them."""
        calls = [
            Call(self.plugin.path, self._environment(verb, one), json.dumps(self._body(verb, one)).encode())
            for one in attachments
        ]
        answers = make_calls(calls)
        self.steps += [
            Step(f"{call}  # at once with {len(calls) - 1} others", str(answer))
            for call, answer in zip(calls, answers, strict=True)
        ]
        return answers

    def make(self, call: Call) -> Answer:
        """Make a call and write it down."""
        answer = make_call(call)
        self.steps.append(Step(str(call), str(answer)))
        return answer

    def add(self, attachment: Attachment, config: Json | None = None) -> Attachment:
        """ADD, which must succeed; return the attachment with its result."""
        answer = self.ask("ADD", attachment, config=config)
        expect(answer.succeeded, f"ADD was refused: {said(answer)}")
        document = answer.document()
        if document is None and self.kind is Kind.CHAINED and not answer.stdout.strip():
            return replace(attachment, result=attachment.previous)
        if document is None:
            raise Failed(f"ADD printed no JSON object: {answer.stdout[:200]!r}")
        return replace(attachment, result=document)

    def delete(self, attachment: Attachment, config: Json | None = None) -> None:
        """DEL, which must succeed."""
        answer = self.ask("DEL", attachment, config=config)
        expect(answer.succeeded, f"DEL failed: {said(answer)}")

    def check(self, attachment: Attachment, config: Json | None = None) -> Answer:
        """CHECK; whatever comes of it. Not applicable where the version has none."""
        self.need("0.4.0", "CHECK")
        return self.ask("CHECK", attachment, config=config)

    def can_check(self, attachment: Attachment) -> bool:
        """Tell whether CHECK passes for an attachment that is as its ADD left it.

        Where it does not, clause 33 says so; others then do without CHECK.
        """
        return self.speaks("0.4.0") and self.ask("CHECK", attachment).succeeded

    def speaks(self, version: str) -> bool:
        """Tell whether this case's CNI version is that one or a later one."""
        return as_numbers(self.version) >= as_numbers(version)

    def need(self, version: str, what: str) -> None:
        """Say that the clause does not apply where this case's CNI version has no such thing yet."""
        if not self.speaks(version):
            raise NotApplicable(f"{what} came with CNI {version}; this plugin speaks {self.version}")

    # --- the judge's own doings, written down as well

    def do(self, *words: str, netns: str = "") -> str:
        """Run a program on the host, or in a namespace (a path), and write it down."""
        seen = run(*words, netns=netns)
        self.steps.append(
            Step(" ".join((*(("nsenter", f"--net={netns}") if netns else ()), *words)), seen.strip()[:600])
        )
        return seen

    def note(self, what: str, seen: object) -> None:
        """Write down what was looked at, and what was there."""
        self.steps.append(Step(what, str(seen)[:2000]))

    def _body(self, verb: str, attachment: Attachment | None) -> Json:
        body = self.config(attachment)
        if attachment is None or verb in ("STATUS", "GC", "VERSION"):
            body.pop("prevResult", None)
        elif verb in ("DEL", "CHECK") and attachment.result is not None:
            body["prevResult"] = attachment.result
        return body

    def _environment(self, verb: str, attachment: Attachment | None) -> dict[str, str]:
        path = ":".join(str(folder) for folder in (self.delegate.folder, *self.cni_path))
        found = base_environment() | {"CNI_COMMAND": verb, "CNI_PATH": path}
        if attachment is not None and verb not in ("STATUS", "GC", "VERSION"):
            found |= {
                "CNI_CONTAINERID": attachment.container,
                "CNI_NETNS": attachment.netns.path,
                "CNI_IFNAME": attachment.ifname,
            }
        return found


def open_case(plugin: Plugin, version: str, folder: Path, cni_path: Sequence[Path]) -> Case:
    """Furnish the world around a case: the uplink, the delegate, what the profile sets up."""
    (folder / "state").mkdir(parents=True)
    case = Case(plugin, version, folder, cni_path, Delegate.install(folder / "delegate"), make_uplink())
    for words in filled(plugin.profile.setup, {"uplink": UPLINK, "state": str(folder / "state")}):
        case.do(*words)
    return case


def with_result(attachment: Attachment, answer: Answer) -> Attachment:
    """Return an attachment with the result of an ADD; a chained plugin's may be what it was given."""
    return replace(attachment, result=answer.document() or attachment.previous)


def said(answer: Answer) -> str:
    """Return an answer as the end of a sentence."""
    error = answer.error()
    return (
        f"code {error.get('code')}, {error.get('msg')!r} ({error.get('details', '')!r})"
        if error
        else str(answer)
    )


def as_numbers(version: str) -> tuple[int, ...]:
    """Return a version that can be compared."""
    return tuple(int(part) for part in version.split("."))
