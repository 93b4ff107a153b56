"""The verbs of overlay: the delegate's, with a configuration made from the node's lease or kept since ADD."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netaddr import IPNetwork

from cni_plugins.attached import refuse_existing
from cni_plugins.delegate import Delegate, Ipam, ipam_type, require_plugin_name
from cni_plugins.interface import addresses_of
from cni_plugins.overlay.adopted import check_adopted, is_anothers
from cni_plugins.overlay.config import OverlayConfig, look
from cni_plugins.overlay.lease_file import read_lease, wait_lease
from cni_plugins.overlay.plan import delegate_config, dump, with_gc_keys, with_request
from cni_plugins.overlay.records import Record, Records, owner_of
from cni_plugins.plugin import Call, Plugin, ValidAttachments
from cni_plugins.registry import PLUGIN_TYPES, load_plugin
from cni_plugins.steps import Steps
from cni_spec.config import parse_config
from cni_spec.errors import NOT_AVAILABLE, CheckFailed, CniError
from cni_spec.json_input import JsonObject
from cni_spec.result import Result
from linuxnet.op import Op
from linuxnet.owner import Attachment
from overlay.subnet_env import SubnetEnv


class Overlay(Plugin[OverlayConfig]):
    """Attach a container to this node's subnets of a network that spans nodes."""

    name = "overlay"
    config = OverlayConfig

    def add(self, call: Call[OverlayConfig]) -> Result:
        """Let the delegate attach; its configuration is kept first, for a DEL whatever becomes of the ADD."""
        config, owner, records = call.config, call.attachment, Records(call.config.data_dir)
        refuse_existing(call)
        lease = _wait_lease(call)
        body = delegate_config(config, call.request.body, lease)
        delegate = _delegate(call, body)
        if delegate.is_of_podwire:
            _inside(call, body)  # what it would refuse is refused before anything is written
        before = records.write(owner, dump(body))

        def forget() -> None:
            if not delegate.may_have_left:
                records.restore(owner, before)

        call.undo.push(f"write {records.path(owner)}", forget)
        return delegate.add()

    def delete(self, call: Call[OverlayConfig]) -> None:
        """Let the delegate remove what it made, by the configuration of the ADD; needs no lease."""
        record = Records(call.config.data_dir).find(call.attachment)
        body = _kept(call, record)
        if body is not None:
            _delegate(call, body).delete()
        elif _is_ours(call, without_lease := delegate_config(call.config, call.request.body, None)):
            _delegate(call, without_lease).delete()  # ours go by the ids; there may be nothing
        if record is not None:
            record.remove()

    def check(self, call: Call[OverlayConfig]) -> None:
        """Let the delegate compare what it made; what flannel's plugin attached is compared here."""
        records = Records(call.config.data_dir)
        record = records.find(call.attachment)
        body = _kept(call, record)
        if record is None or body is None:
            raise CheckFailed(f"{records.path(call.attachment)} is {'damaged' if record else 'missing'}")
        if record.is_flannels and is_anothers(call) and _is_ours(call, body):
            _, inner = _inside(call, body)
            if ipam_type(inner.config.ipam):
                Ipam(inner).check()
            check_adopted(inner)
        else:
            _delegate(call, body).check()
        _check_lease(call, body)

    def status(self, call: Call[OverlayConfig]) -> None:
        """See that there is a lease, and ask the delegate. Raises CniError 50 if there is none."""
        try:
            lease = read_lease(call.config.subnet_file)
        except CniError as error:
            raise CniError(NOT_AVAILABLE, error.msg, error.details) from error
        _delegate(call, delegate_config(call.config, call.request.body, lease)).status()

    def gc(self, call: Call[OverlayConfig], valid: ValidAttachments) -> None:
        """DEL what was kept of attachments that are not listed, then let the delegate collect the rest."""
        steps, network = Steps(), call.config.name
        records = Records(call.config.data_dir)
        kept = {records.path(one) for one in valid.attachments}
        containers = {one.container_id for one in valid.attachments}
        for record in records.of_network(network):
            if record.path in kept or (record.is_flannels and record.path.name in containers):
                continue
            with steps.step(f"collect {record.path.name}"):
                _collect(call, record)
        with steps.step("collect the rest"):
            body = delegate_config(call.config, call.request.body, _lease_if_any(call))
            _delegate(call, with_gc_keys(body, call.request.body)).gc()
        steps.finish()

    def explain(self, call: Call[OverlayConfig]) -> tuple[Op, ...]:
        """Return the delegate's plan; of a foreign one nothing is known."""
        plugin, inner = self.resolve(call)
        return () if plugin is self else plugin.explain(inner)

    def resolve(self, call: Call[OverlayConfig]) -> tuple[Plugin[Any], Call[Any]]:
        """Return the delegate and its call, this plugin and its own where the delegate is foreign."""
        body = delegate_config(call.config, call.request.body, read_lease(call.config.subnet_file))
        if body["type"] not in PLUGIN_TYPES:
            call.warn(f"{body['type']} does the work, which is not one of podwire's: its plan is its own")
            return self, call
        return _inside(call, body)


def _delegate(call: Call[Any], body: JsonObject, variables: dict[str, str] | None = None) -> Delegate:
    return Delegate(call, require_plugin_name(look(body, "type"), "delegate.type"), dump(body), variables)


def _inside(call: Call[Any], body: JsonObject) -> tuple[Plugin[Any], Call[Any]]:
    """Return the plugin of a delegate's configuration and the call it would be handed."""
    plugin = load_plugin(str(look(body, "type")))
    config, _ = parse_config(plugin.config, body)
    return plugin, replace(call, config=config, request=replace(call.request, body=body, stdin=dump(body)))


def _kept(call: Call[OverlayConfig], record: Record | None) -> JsonObject | None:
    """Return the delegate's configuration for this verb from what ADD kept, None if that says nothing."""
    if record is None:
        return None
    if record.body is None:
        call.warn(f"{record.path} is damaged, and of no use")
        return None
    return with_request(record.body, call.config, call.request.body)


def _is_ours(call: Call[Any], body: JsonObject) -> bool:
    """Tell whether the delegate's code is ours; one that is not there is not."""
    try:
        return _delegate(call, body).is_of_podwire
    except CniError:  # CNI_PATH leads to none: nothing that could be asked to remove anything
        return False


def _collect(call: Call[OverlayConfig], record: Record) -> None:
    """DEL one attachment that nobody lists; flannel's files do not tell its interface."""
    owner = owner_of(record, call.config.name)
    if owner is not None and record.body is not None:
        _delegate(call, record.body, _variables(owner)).delete()
    record.remove()


def _variables(owner: Attachment) -> dict[str, str]:
    return {"CNI_CONTAINERID": owner.container_id, "CNI_IFNAME": owner.ifname, "CNI_NETNS": ""}


def _wait_lease(call: Call[OverlayConfig]) -> SubnetEnv:
    """Wait for the lease; where many wait in one process, the others are told at once to come again."""
    file, timeout = call.config.subnet_file, call.config.wait_timeout
    if call.memory is None:
        return wait_lease(file, timeout)
    with call.memory.waiting() as may_wait:
        return wait_lease(file, timeout if may_wait else 0)


def _lease_if_any(call: Call[OverlayConfig]) -> SubnetEnv | None:
    try:
        return read_lease(call.config.subnet_file)
    except CniError:  # GC goes by the ids
        return None


def _check_lease(call: Call[OverlayConfig], body: JsonObject) -> None:
    """See that other nodes reach the container: its addresses are of what this node leases now.

    Raises:
        CheckFailed: an address of a lease that this node has not any more.
    """
    ipam = body.get("ipam")
    lease = _lease_if_any(call)
    if lease is None or not isinstance(ipam, dict) or look(ipam, "type") != "host-local":
        return
    subnets = [IPNetwork(str(one)) for one in lease.subnets]
    for ip in addresses_of(call.require_prev_result(), call.request.ifname):
        if not any(ip.address.ip in one for one in subnets):
            said = ", ".join(map(str, lease.subnets))
            raise CheckFailed(f"{ip.address.ip} is of no subnet that this node leases now ({said})")


PLUGIN = Overlay()
