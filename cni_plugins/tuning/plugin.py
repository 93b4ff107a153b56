"""The verbs of tuning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cni_plugins.plugin import Call, Plugin, ValidAttachments, check_all
from cni_plugins.tuning.backup import Backup, collect
from cni_plugins.tuning.config import TuningConfig, check_allowed, wishes_of
from cni_plugins.tuning.plan import plan, wanted_state
from cni_spec.result import Interface, Result
from linuxnet.errors import KernelError
from linuxnet.links import LinkState, state_of
from linuxnet.op import Op, Where


class Tuning(Plugin[TuningConfig]):
    """Set sysctls and link attributes inside a container."""

    name = "tuning"
    config = TuningConfig

    def add(self, call: Call[TuningConfig]) -> Result:
        """Set what is wanted, keep what was there before, and tell of the new MAC address and MTU."""
        previous = call.require_prev_result()
        wishes = wishes_of(call.config, call.request)
        check_allowed(wishes.sysctl)
        ops = plan(wishes, call.request.ifname)
        if wanted := wanted_state(wishes):
            before = state_of(call.kernel.container.get_link(call.request.ifname))
            backup = _backup(call)
            call.undo.push("write the backup", backup.remove)
            backup.write({key: before[key] for key in wanted})
        call.undo.apply(call.kernel, *ops)
        changed = {"mac": wishes.mac, "mtu": wishes.mtu}
        update = {key: value for key, value in changed.items() if value is not None}
        return previous.with_(interfaces=tuple(_updated(call, one, update) for one in previous.interfaces))

    def delete(self, call: Call[TuningConfig]) -> None:
        """Give the link its old values back, if it is still there."""
        backup = _backup(call)
        before = backup.read()
        if before and call.kernel.has_container:
            try:
                call.kernel.apply(LinkState(Where.CONTAINER, call.request.ifname, **before))
            except (KernelError, TypeError) as error:  # gone, or a backup no kernel would take
                call.warn(f"the link keeps its values: {error}")
        backup.remove()

    def check(self, call: Call[TuningConfig]) -> None:
        """Compare every value that was set."""
        check_all(call, plan(wishes_of(call.config, call.request), call.request.ifname))

    def status(self, call: Call[TuningConfig]) -> None:
        """See that the allow list, if there is one, can be read."""
        check_allowed({})

    def gc(self, call: Call[TuningConfig], valid: ValidAttachments) -> None:
        """Remove the backups of attachments that are not listed."""
        collect(Path(call.config.data_dir), call.config.name, valid.marks)

    def explain(self, call: Call[TuningConfig]) -> tuple[Op, ...]:
        """Return the plan."""
        return plan(wishes_of(call.config, call.request), call.request.ifname)


def _backup(call: Call[TuningConfig]) -> Backup:
    return Backup(Path(call.config.data_dir), call.attachment)


def _updated(call: Call[TuningConfig], one: Interface, update: Mapping[str, object]) -> Interface:
    is_mine = one.name == call.request.ifname and one.sandbox
    return one.model_copy(update=update) if is_mine else one


PLUGIN = Tuning()
