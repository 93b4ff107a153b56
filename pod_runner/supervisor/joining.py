"""The pod's membership of its network: ADD and DEL in processes of their own, one at a time."""

from __future__ import annotations

from collections.abc import Callable

from pod_runner.container.spec import ContainerError, Network
from pod_runner.supervisor.loop import Timer
from pod_runner.supervisor.networking import Attachment, attach, detach, network_name
from pod_runner.supervisor.shared import Shared
from pod_runner.supervisor.tasks import Task

Joined = Callable[[ContainerError | None], None]
RETRY = 5.0  # seconds before a DEL that failed is asked again
DELETE_ATTEMPTS = 3  # then the pod goes without; `podwire pod gc` asks again, from the cache


class Joining:
    """What `record.network` says: the name of the network from before ADD until after DEL."""

    def __init__(self, shared: Shared) -> None:
        self.is_joined = False
        self._shared = shared
        self._is_begun = True  # an ADD may have left something; who noted the network first knows better
        self._task: Task[Attachment] | Task[None] | None = None
        self._left = DELETE_ATTEMPTS
        self._timer: Timer | None = None

    @property
    def is_quiet(self) -> bool:
        """Tell whether the pod is in its network, and nothing is under way."""
        return self.is_joined and self._task is None and self._timer is None

    def needs_none(self) -> None:
        """There is nothing to join: the node's network, or none."""
        self.is_joined = True
        node = self._shared.order.node
        if self._shared.spec.network is Network.HOST and node.address:
            self._shared.record.addresses = (node.address,)

    def adopt(self) -> None:
        """Go on with what an earlier supervisor did; an ADD that it did not see the end of is done again."""
        record = self._shared.record
        if self._shared.spec.network is not Network.CNI:
            self.needs_none()
        else:
            self.is_joined = bool(record.network and record.addresses)

    def join(self, joined: Joined) -> None:
        """Attach the pod; `joined` gets what went wrong, or None. Nothing happens while that is under way.

        The network is noted first, and ADD begun when that is written down: at the next call.
        """
        shared = self._shared
        sandbox, order = shared.sandbox, shared.order
        if self._task is not None or sandbox is None:
            return
        if not shared.record.network:
            self._note(joined)
            return
        is_anew, self._is_begun = self._is_begun, True
        netns = sandbox.netns

        def ended(result: Attachment | ContainerError) -> None:
            self._task = None
            if isinstance(result, ContainerError):
                joined(result)
                return
            shared.record.network, shared.record.addresses = result.network, result.addresses
            self.is_joined = True
            joined(None)

        self._task = Task(shared.loop, lambda: attach(order, netns, is_anew=is_anew), ended)

    def _note(self, joined: Joined) -> None:
        try:
            self._shared.record.network = network_name(self._shared.order.node)
        except ContainerError as error:
            joined(error)
            return
        self._is_begun = False
        self._shared.changed()

    def leave(self) -> bool:
        """Detach the pod, as often as it takes; True when there is nothing (more) to do."""
        shared, record = self._shared, self._shared.record
        if self._task is not None or self._timer is not None:
            return False
        if not record.network or self._left == 0:
            return True
        netns = shared.sandbox.netns if shared.sandbox is not None else ""
        order, network = shared.order, record.network
        self._task = Task(shared.loop, lambda: detach(order, network, netns), self._left_network)
        return False

    def sandbox_died(self) -> None:
        """The namespace has gone, and with it the attachment; the next ADD begins with a DEL.

        An ADD under way goes on by itself: the next operation on this pod waits for it
        (`pod_runner.cni.locks`).
        """
        if self._task is not None:
            self._task.abandon()
            self._task = None
        self.is_joined = False
        self._shared.record.addresses = ()

    def _left_network(self, result: ContainerError | None) -> None:
        shared = self._shared
        self._task = None
        if result is None:
            shared.record.network = ""
            self.is_joined = False
        else:
            self._left -= 1
            shared.trouble("network", str(result))
            self._timer = shared.loop.after(RETRY if self._left else 0.0, self._again)
        shared.changed()

    def _again(self) -> None:
        self._timer = None
        self._shared.changed()
