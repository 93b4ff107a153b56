"""A small runtime that keeps the rules: add, del, check, gc and status, with a cache and locks.

    runtime.py add|check|del NETWORK NETNS [--container ID] [--ifname NAME] [--args K=V;..]
                                           [--capabilities JSON]
    runtime.py gc|status NETWORK

NETNS "-" lets it make the namespace itself, and remove it after `del`. NETCONFPATH, CNI_PATH and CACHE are
read from the environment. `gc` takes every attachment for stale.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from conformance.forking import instead_of

Json = dict[str, Any]
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*\Z")
GC_KEYS = ("cni.dev/valid-attachments", "cni.dev/attachments")


class Refused(Exception):
    """What was asked cannot be done; the text says why. `code` is the plugin's, 0 where it is our own."""

    def __init__(self, sentence: str, code: int = 0) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True)
class Attachment:
    """Whom an operation is about."""

    container: str
    netns: str
    ifname: str
    args: str
    capabilities: Json


@dataclass(frozen=True)
class Network:
    """A network's list; `plugins` are the inlined ones and those of the folder beside it."""

    name: str
    version: str
    body: Json
    plugins: tuple[Json, ...]

    def is_set(self, key: str) -> bool:
        """Tell whether one of the list's booleans is true; false where it is not there."""
        return str(self.body.get(key, False)).lower() == "true"


class Runtime:
    """The operations; each of its functions is one rule or two, so that a mutant replaces one."""

    def __init__(self, confdir: Path, cni_path: str, cache: Path) -> None:
        self.confdir, self.cni_path, self.cache = confdir, cni_path, cache

    # --- configuration

    def load(self, name: str) -> Network:
        """Find a network by its name."""
        for path in sorted(self.confdir.glob("*.conflist")):
            body = json.loads(path.read_text())
            if body.get("name") == name:
                self.check_name(name, "network")
                return Network(name, self.version(body), body, tuple(self.plugins(body, path.parent / name)))
        raise Refused(f"there is no network {name!r} in {self.confdir}")

    def version(self, body: Json) -> str:
        """Return the highest version that the list names and we speak."""
        named = [body.get("cniVersion", "0.1.0"), *body.get("cniVersions", [])]
        spoken = [one for one in VERSIONS if one in named]
        if not spoken:
            raise Refused(f"none of the versions {named} is known here", 1)
        return spoken[-1]

    def plugins(self, body: Json, folder: Path) -> list[Json]:
        """Return the plugins' configurations in their order."""
        found = list(body.get("plugins", []))
        if str(body.get("loadOnlyInlinedPlugins", False)).lower() != "true":
            found += [json.loads(path.read_text()) for path in sorted(folder.glob("*.conf"))]
        return found

    def check_name(self, name: str, what: str) -> None:
        """Refuse a name that CNI does not allow."""
        if not NAME.match(name):
            raise Refused(f"{name!r} is no name of a {what}")

    def derive(
        self, network: Network, plugin: Json, attachment: Attachment | None, previous: Json | None
    ) -> Json:
        """Return what one plugin reads."""
        config = {key: value for key, value in plugin.items() if not key.startswith("cni.dev/")}
        declared = config.pop("capabilities", {})
        config |= {"name": network.name, "cniVersion": network.version}
        given = attachment.capabilities if attachment else {}
        runtime_config = {key: given[key] for key, wanted in declared.items() if wanted and key in given}
        if runtime_config:
            config["runtimeConfig"] = runtime_config
        return config if previous is None else config | {"prevResult": previous}

    # --- operations

    def add(self, network: Network, attachment: Attachment) -> Json:
        """Attach; what was begun is deleted again if it fails."""
        self.check_name(attachment.container, "container")
        with self.operation(attachment.container):
            self.refuse_second(network, attachment)
            result: Json | None = None
            begun: list[Json] = []
            try:
                for plugin in network.plugins:
                    begun.append(plugin)
                    result = self.added(network, plugin, attachment, result)
            except Refused:
                self.take_back(network, begun, attachment, result)
                raise
            self.remember(network, attachment, result or {})
            return result or {}

    def added(self, network: Network, plugin: Json, attachment: Attachment, previous: Json | None) -> Json:
        """Ask one plugin to ADD, and return its result."""
        printed = self.ask("ADD", plugin, attachment, self.derive(network, plugin, attachment, previous))
        result: Json = json.loads(printed or "{}")
        return {"cniVersion": network.version} | result

    def take_back(
        self, network: Network, begun: list[Json], attachment: Attachment, result: Json | None
    ) -> None:
        """Delete after a failed ADD."""
        for plugin in reversed(begun):
            try:
                self.ask("DEL", plugin, attachment, self.derive(network, plugin, attachment, result))
            except Refused as error:
                print(f"taking it back: {error}", file=sys.stderr)

    def refuse_second(self, network: Network, attachment: Attachment) -> None:
        """Refuse an ADD for what is attached already."""
        if self.recall(network, attachment):
            raise Refused(f"{attachment.container} has {attachment.ifname} in {network.name} already")

    def delete(self, network: Network, attachment: Attachment) -> None:
        """Detach, in the opposite order."""
        with self.operation(attachment.container):
            self.deleted(network, attachment)

    def deleted(self, network: Network, attachment: Attachment) -> None:
        """Ask the plugins to DEL; then forget."""
        cached = self.recall(network, attachment)
        previous = cached["result"] if cached else None
        for plugin in self.order_of_deletion(network):
            self.ask("DEL", plugin, attachment, self.derive(network, plugin, attachment, previous))
        self.forget(network, attachment)

    def order_of_deletion(self, network: Network) -> tuple[Json, ...]:
        """Return the plugins as DEL comes to them."""
        return network.plugins[::-1]

    def check(self, network: Network, attachment: Attachment) -> None:
        """Ask whether an attachment is as it should be."""
        with self.operation(attachment.container):
            if network.is_set("disableCheck"):
                return
            cached = self.recall(network, attachment)
            if not cached:
                raise Refused(f"{attachment.container} has no {attachment.ifname} in {network.name}")
            for plugin in network.plugins:
                config = self.derive(network, plugin, attachment, cached["result"])
                self.ask("CHECK", plugin, attachment, config)

    def collect(self, network: Network) -> None:
        """Delete what is stale, then let plugins clean up what they know of."""
        if network.is_set("disableGC"):
            return
        with self.collection():
            errors = [*self.delete_stale(network), *self.cleaned(network)]
        if errors:
            raise Refused("\n".join(str(error) for error in errors))

    def delete_stale(self, network: Network) -> Iterator[Refused]:
        """DEL each attachment of the network that is known."""
        for path in sorted(self.cache.glob("*.json")):
            cached = json.loads(path.read_text())
            if cached["network"] == network.name:
                try:
                    self.deleted(network, Attachment(**cached["attachment"]))
                except Refused as error:
                    yield error

    def cleaned(self, network: Network) -> Iterator[Refused]:
        """Ask every plugin to GC."""
        for plugin in network.plugins if network.version == "1.1.0" else ():
            try:
                config = self.derive(network, plugin, None, None) | {key: [] for key in GC_KEYS}
                self.ask("GC", plugin, None, config)
            except Refused as error:
                yield error

    def status(self, network: Network) -> None:
        """Ask whether an ADD would be served."""
        for plugin in network.plugins if network.version == "1.1.0" else ():
            self.ask("STATUS", plugin, None, self.derive(network, plugin, None, None))

    # --- one call of one plugin

    def ask(self, verb: str, plugin: Json, attachment: Attachment | None, config: Json) -> str:
        """Execute a plugin and return what it printed."""
        done = self.execute(self.find(plugin["type"]), self.environment(verb, attachment), config)
        if done.returncode == 0:
            return done.stdout
        try:
            error = json.loads(done.stdout)
        except ValueError:
            error = {"code": 999, "msg": done.stdout + done.stderr}
        raise Refused(f"{plugin['type']} refused {verb}: {error.get('msg')}", error.get("code", 999))

    def execute(self, path: Path, environment: Json, config: Json) -> subprocess.CompletedProcess[str]:
        """Execute a plugin, here."""
        stdin = json.dumps(config)
        return subprocess.run(
            [path],
            input=stdin,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            **instead_of(path, environment),
        )

    def find(self, type: str) -> Path:
        """Find a plugin in CNI_PATH."""
        for folder in self.cni_path.split(":"):
            if "/" not in type and Path(folder, type).is_file():
                return Path(folder, type)
        raise Refused(f"there is no plugin {type!r} in {self.cni_path}")

    def environment(self, verb: str, attachment: Attachment | None) -> Json:
        """Return a call's environment."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("CNI_")}
        found = kept | {"CNI_COMMAND": verb, "CNI_PATH": self.cni_path}
        if attachment is None:
            return found
        return found | {
            "CNI_CONTAINERID": attachment.container, "CNI_NETNS": attachment.netns,
            "CNI_IFNAME": attachment.ifname, "CNI_ARGS": attachment.args,
        }  # fmt: skip

    # --- what is kept

    def path(self, network: Network, attachment: Attachment) -> Path:
        """Return the file of an attachment."""
        return self.cache / f"{network.name} {attachment.container} {attachment.ifname}.json"

    def remember(self, network: Network, attachment: Attachment, result: Json) -> None:
        """Keep the final result."""
        body = {"network": network.name, "attachment": asdict(attachment), "result": result}
        self.path(network, attachment).write_text(json.dumps(body))

    def recall(self, network: Network, attachment: Attachment) -> Json:
        """Return what is known of an attachment, {} for nothing."""
        path = self.path(network, attachment)
        found: Json = json.loads(path.read_text()) if path.exists() else {}
        return found

    def forget(self, network: Network, attachment: Attachment) -> None:
        """Forget an attachment."""
        self.path(network, attachment).unlink(missing_ok=True)

    @contextmanager
    def operation(self, container: str) -> Iterator[None]:
        """Hold a container, and keep GC away."""
        with ExitStack() as held:
            held.enter_context(self.locked("gc", fcntl.LOCK_SH))
            held.enter_context(self.locked(f"of {container}", fcntl.LOCK_EX))
            yield

    @contextmanager
    def collection(self) -> Iterator[None]:
        """Keep every other operation away."""
        with self.locked("gc", fcntl.LOCK_EX):
            yield

    @contextmanager
    def locked(self, name: str, mode: int) -> Iterator[None]:
        """Hold a lock that ends with this process at the latest."""
        with (self.cache / f"{name}.lock").open("w") as file:
            fcntl.flock(file, mode)
            yield

    # --- namespaces, where nobody else makes them

    def make_netns(self, container: str) -> str:
        """Make a container's namespace, if it is not there."""
        self.check_name(container, "container")
        path = Path("/run/netns", container)
        if not path.exists():
            subprocess.run(["ip", "netns", "add", container], check=True)
        return str(path)

    def remove_netns(self, container: str) -> None:
        """Remove it."""
        subprocess.run(["ip", "netns", "del", container], check=False, stderr=subprocess.DEVNULL)


def carry_out(runtime: Runtime, words: list[str]) -> None:
    """Do what a command line says."""
    asked = _parser().parse_args(words)
    network = runtime.load(asked.network)
    if asked.verb in ("gc", "status"):
        (runtime.collect if asked.verb == "gc" else runtime.status)(network)
        return
    own = asked.netns == "-"
    netns = runtime.make_netns(asked.container) if own and asked.verb == "add" else asked.netns
    where = f"/run/netns/{asked.container}" if own else netns
    attachment = Attachment(
        asked.container, where, asked.ifname, asked.args, json.loads(asked.capabilities or "{}")
    )
    if asked.verb == "add":
        print(json.dumps(runtime.add(network, attachment)))
    elif asked.verb == "check":
        runtime.check(network, attachment)
    else:
        runtime.delete(network, attachment)
        if own:
            runtime.remove_netns(asked.container)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=("add", "del", "check", "gc", "status"))
    parser.add_argument("network")
    parser.add_argument("netns", nargs="?", default="")
    for name in ("container", "ifname", "args", "capabilities"):
        parser.add_argument(f"--{name}", default="")
    return parser


def main(kind: type[Runtime], words: list[str]) -> int:
    """Carry out a command line; return the exit status."""
    cache = Path(os.environ["CACHE"])
    cache.mkdir(parents=True, exist_ok=True)
    runtime = kind(Path(os.environ["NETCONFPATH"]), os.environ["CNI_PATH"], cache)
    try:
        carry_out(runtime, words)
    except Refused as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Runtime, sys.argv[1:]))
