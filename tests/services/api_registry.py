"""An API server as a registry, in trouble all the time: what clients of the real one live through."""

from __future__ import annotations

import random
import time
from pathlib import Path
from threading import Event, Thread
from typing import Any

from linuxnet.netns import inside, open_netns
from tests.kube_api.server import ApiServer, running_api
from tests.services.registries import Json

PAUSE = (0.2, 1.0)  # seconds between two troubles
FORGETS = 25.0  # seconds between two losses of history: who hears of more lets such a server rest
SLOW = 0.004  # seconds before each event, at times


class ApiRegistry:
    """The tests' API server in a namespace; a thread that cuts, forgets, repeats and disorders, by a seed."""

    source = "kubernetes"

    def __init__(self, netns: str, folder: Path, seed: int = 5) -> None:
        self._random = random.Random(seed)
        descriptor = open_netns(f"/run/netns/{netns}")
        with inside(descriptor):
            self._running = running_api()
            self.api: ApiServer = self._running.__enter__()
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(kubeconfig(self.api.url))
        self._kinds = {one.resource.kind: one for one in (self.api.objects, *self.api.of.values())}
        self._over = Event()
        self._mischief = Thread(target=self._disturb, daemon=True)
        self._mischief.start()

    def apply(self, *objects: Json) -> None:
        for one in objects:
            self._kinds[one["kind"]].create(one)

    def delete(self, *objects: Json) -> None:
        for one in objects:
            kind, metadata = self._kinds[one["kind"]], one["metadata"]
            space = f"{metadata['namespace']}/" if "namespace" in metadata else ""
            if f"{space}{metadata['name']}" in kind.items:
                kind.delete(f"{space}{metadata['name']}")

    def state(self) -> str:
        api, asked = self.api, [f"{one.path} {one.query}" for one in self.api.asked[-12:]]
        faults = f"twice={api.is_told_twice} shuffled={api.is_shuffled} delay={api.delay} {api.break_next}"
        return "\n".join([f"{faults}, {api.watching} watches, version {api.objects.version}", *asked])

    def end(self) -> None:
        self._over.set()
        self._mischief.join()
        self._running.__exit__(None, None, None)

    def _disturb(self) -> None:
        """Make trouble, one after another; each passes."""
        troubles = (self._cut, self._repeat, self._disorder, self._slow, self._mark, self._break)
        forgot = time.monotonic()
        while not self._over.wait(self._random.uniform(*PAUSE)):
            if time.monotonic() > forgot + FORGETS and not self.api.is_shuffled:
                forgot = time.monotonic()
                self._forget()
            self._random.choice(troubles)()

    def _cut(self) -> None:
        """End the watches; not while events are disordered: what is cut off then is lost for any client."""
        if self.api.is_shuffled:
            return
        if self._random.random() < 0.5:
            self.api.end_watches()
        else:
            self.api.drop_connections()

    def _forget(self) -> None:
        """Forget history, and end the watches: they come back to a 410."""
        with self.api.objects.changed:
            for one in self._kinds.values():
                one.compact()
            self.api.generation += 1

    def _repeat(self) -> None:
        self.api.is_told_twice = not self.api.is_told_twice

    def _disorder(self) -> None:
        self.api.is_shuffled = not self.api.is_shuffled

    def _slow(self) -> None:
        self.api.delay = 0.0 if self.api.delay else SLOW

    def _mark(self) -> None:
        self.api.bookmark()

    def _break(self) -> None:
        self.api.break_next.append(503)


def kubeconfig(url: str) -> str:
    """Write a kubeconfig for a server that asks for nothing."""
    body: dict[str, Any] = {
        "clusters": f"[{{name: one, cluster: {{server: '{url}'}}}}]",
        "contexts": "[{name: one, context: {cluster: one, user: one}}]",
        "users": "[{name: one, user: {}}]",
    }
    lines = [f"{key}: {value}" for key, value in body.items()]
    return "\n".join(["apiVersion: v1", "kind: Config", "current-context: one", *lines, ""])
