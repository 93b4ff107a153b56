"""What a plugin is, and the call it is handed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from cni_plugins.memory import Memory
from cni_spec.config import NetworkConfig
from cni_spec.errors import INVALID_CONFIG, NOT_AVAILABLE, CheckFailed, CniError
from cni_spec.request import Request
from cni_spec.result import Result
from cni_spec.versions import ALL_VERSIONS
from linuxnet.errors import MissingTool
from linuxnet.kernel import Kernel
from linuxnet.op import Op
from linuxnet.owner import Attachment
from linuxnet.undo import UndoLog

C = TypeVar("C", bound=NetworkConfig)


@dataclass(frozen=True)
class Call(Generic[C]):
    """One request on its way through a plugin: what was asked, and what to act on.

    `prev_result` is the result of the plugins before this one, for DEL and CHECK that of the whole chain;
    None where the runtime sent none. `warn` prints one line for a person, on stderr. `memory` is what the
    process keeps between requests, None where it serves but one.
    """

    request: Request
    config: C
    kernel: Kernel
    prev_result: Result | None
    warn: Callable[[str], None]
    memory: Memory | None = None
    undo: UndoLog = field(default_factory=UndoLog)

    @property
    def attachment(self) -> Attachment:
        """Return whose objects this call is about."""
        return Attachment(self.config.name, self.request.container_id, self.request.ifname)

    def require_prev_result(self) -> Result:
        """Return the previous result. Raises CniError 7 if there is none."""
        if self.prev_result is None:
            raise CniError(INVALID_CONFIG, "prevResult: expected the result of the plugins before this one")
        return self.prev_result


@dataclass(frozen=True)
class ValidAttachments:
    """The attachments a GC must leave alone."""

    attachments: frozenset[Attachment]

    @property
    def marks(self) -> frozenset[str]:
        """Return their owner marks."""
        return frozenset(one.mark for one in self.attachments)


class Plugin(ABC, Generic[C]):
    """Six verbs over one description. VERSION needs no code of a plugin's own."""

    name: ClassVar[str]
    versions: ClassVar[tuple[str, ...]] = ALL_VERSIONS
    enters_container: ClassVar[bool] = True  # False: an IPAM plugin, which touches no namespace
    config: type[C]

    @abstractmethod
    def add(self, call: Call[C]) -> Result:
        """Attach, or adjust what is attached, and return what is there now."""

    @abstractmethod
    def delete(self, call: Call[C]) -> None:
        """Remove what ADD made, as far as it is there."""

    @abstractmethod
    def check(self, call: Call[C]) -> None:
        """Raise CheckFailed naming what is missing or changed; change nothing."""

    def status(self, call: Call[C]) -> None:
        """Raise CniError 50 or 51 if ADD could not be served."""

    def gc(self, call: Call[C], valid: ValidAttachments) -> None:
        """Remove what belongs to this network and to no valid attachment."""

    @abstractmethod
    def explain(self, call: Call[C]) -> tuple[Op, ...]:
        """Return the plan of an ADD without acting."""

    def resolve(self, call: Call[C]) -> tuple[Plugin[Any], Call[Any]]:
        """Return the plugin that does the work, and its call: this one, unless it leaves all to another."""
        return self, call

    def preview(self, call: Call[C]) -> Result:
        """Return the addresses an ADD would give, without taking them; only IPAM plugins give any."""
        return Result()


def check_all(call: Call[C], ops: tuple[Op, ...]) -> None:
    """Compare a whole plan with the kernel.

    Raises:
        CheckFailed: the first difference is its message, all of them its details.
    """
    found = [difference for op in ops if (difference := op.difference(call.kernel)) is not None]
    if found:
        raise CheckFailed(found[0], "\n".join(found) if len(found) > 1 else "")


def require_nft(kernel: Kernel) -> None:
    """See for STATUS that nf_tables can be used. Raises CniError 50 with what to install."""
    try:
        _ = kernel.nft
    except MissingTool as error:
        raise CniError(NOT_AVAILABLE, str(error)) from error
