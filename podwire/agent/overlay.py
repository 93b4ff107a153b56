"""The overlay in the agent: a thread of its own, and the questions that are put to it.

Asked through the agent's socket as "@overlay", with a JSON object: {"ask": "status" | "peers" | "probe" |
"resync" | "leave", "of": NODE}. It works without being asked, so its agent does not leave when idle.
"""

from __future__ import annotations

import ctypes
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

from cni_spec.errors import INVALID_CONFIG, NOT_AVAILABLE, CniError
from cni_spec.json_input import decode_object
from cni_spec.versions import LATEST_VERSION
from linuxnet.errors import Busy, KernelError, MissingTool
from overlay.node import OverlayNode
from overlay.reporting import peers, probe, status
from overlay.settings import OverlaySettings
from overlay.subnet import Subnet, parse_address
from podwire.agent.protocol import Reply
from podwire.commands.failing import FORESEEN, as_error

GROW_BELOW = 0.2  # of a subnet's addresses; then one more block is claimed
LOOK_EVERY = 10.0  # seconds between two looks at how full the subnets are
PAUSE = 5.0  # seconds before an overlay that could not run is begun again
RESERVED = 3  # addresses of a subnet that no pod gets: its own, the gateway's, the last

log = logging.getLogger("podwire.overlay")


class OverlayService:
    """The overlay of this node, from the start of the agent to its end."""

    def __init__(self, settings: OverlaySettings) -> None:
        self._settings = settings
        self._stopped = Event()
        self.node = self._make()
        self._thread = Thread(target=self._run, name="overlay", daemon=True)
        self._grower = Thread(target=self._keep_room, name="overlay-room", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        self._grower.start()

    def wait_ready(self, timeout: float) -> bool:
        """Wait up to so many seconds until pods may come; return whether they may."""
        node = self.node
        with node.changed:
            return node.changed.wait_for(lambda: node.is_ready, timeout)

    def stop(self) -> None:
        """End the loop; what it has made in the kernel stays, and traffic with it."""
        self._stopped.set()
        self.node.stop()
        self._thread.join(PAUSE * 2)

    def answer(self, question: bytes) -> Reply:
        """Answer one question with JSON, or with a CNI error object."""
        try:
            body = decode_object(question, "question to the overlay")
            return Reply(0, json.dumps(self._answer(str(body.get("ask")), str(body.get("of", "")))).encode())
        except FORESEEN as error:
            return Reply(1, as_error(error).to_json(LATEST_VERSION).encode())

    def _answer(self, ask: str, of: str) -> object:
        if ask == "status":
            return status(self.node) | {"running": self._thread.is_alive()}
        if self.node.tenancy.standing is None:
            raise CniError(NOT_AVAILABLE, "this node has no lease yet: `podwire overlay status` says why")
        if ask == "peers":
            return peers(self.node)
        if ask == "probe":
            return probe(self.node, of)
        if ask == "leave":
            self._stopped.set()
            self.node.leave(force=of == "force")
            return {}
        if ask == "resync":
            self.node.resync()
            return {}
        raise CniError(INVALID_CONFIG, f"the overlay is not asked for {ask[:40]!r}")

    def _make(self) -> OverlayNode:
        return OverlayNode(self._settings, pods_in=lambda subnets: sum(map(count_addresses, subnets)))

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.node.run()
            except (OSError, KernelError, MissingTool, Busy) as error:
                log.error("the overlay could not run and is begun again: %s", error)
                self._stopped.wait(PAUSE)
                self.node = self._make()

    def _keep_room(self) -> None:
        """Claim one more block where a family's subnets are nearly full; give memory back meanwhile."""
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
        while not self._stopped.wait(LOOK_EVERY):
            if trim is not None:
                trim(0)  # what a snapshot of all nodes took to read it
            node = self.node
            with node.lock:
                subnets = (
                    node.tenancy.standing.place.subnets
                    if node.tenancy.standing and node.tenancy.is_leased
                    else ()
                )
            for version in {one.version for one in subnets if one.version == 4}:
                mine = [one for one in subnets if one.version == version]
                room = sum(one.last - one.base + 1 - RESERVED for one in mine)
                if room - sum(map(count_addresses, mine)) < GROW_BELOW * (mine[-1].last - mine[-1].base + 1):
                    node.grow(version)


def count_addresses(subnet: Subnet, data_dir: Path | None = None) -> int:
    """Return how many addresses of a subnet host-local has given out, in whatever network."""
    from ipam.network import DATA_DIR  # all of its allocation, which the start of the overlay does without

    return sum(1 for text in _reserved(data_dir or DATA_DIR) if _is_in(text, subnet))


def _reserved(data_dir: Path) -> Iterator[str]:
    for folder in data_dir.glob("*/"):
        yield from (path.name for path in folder.iterdir() if path.name[0].isdigit() or ":" in path.name)


def _is_in(text: str, subnet: Subnet) -> bool:
    try:
        version, number = parse_address(text.replace("_", ":"))
    except ValueError:  # some other file
        return False
    return version == subnet.version and subnet.base <= number <= subnet.last
