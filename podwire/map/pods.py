"""A node's pods: by the runtime's cache of results, by owners in link aliases, by the runner's folders.

Any of them may be missing: a link whose owner nobody remembers is a pod all the same, and so is a result
whose link has gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cni_spec.errors import CniError
from cni_spec.json_input import JsonObject, decode_object
from cni_spec.result import Result, read_result
from cni_spec.versions import LATEST_VERSION
from linuxnet.owner import Attachment as Owner
from pod_runner.cni.cache import CachedAttachment
from pod_runner.supervisor.order import ORDER, STATUS
from podwire.map.model import Attachment, Link, Pod

NETNS_FOLDERS = ("/run/netns", "/var/run/netns")
# What CRI runtimes and kubelet's dockershim before them put into CNI_ARGS
POD_NAME, POD_NAMESPACE = "K8S_POD_NAME", "K8S_POD_NAMESPACE"


@dataclass(frozen=True)
class RunnerPod:
    """What the runner's folder of a pod says."""

    name: str
    state: str


def pods_of(
    cached: Iterable[CachedAttachment], links: Sequence[Link], runner: Mapping[str, RunnerPod]
) -> tuple[Pod, ...]:
    """Return the pods, by name; `runner` holds its pods by uid, which is what it calls their containers."""
    owned = {link.owner: link.name for link in links if link.owner.count(" ") == 2}  # else a node's own
    names = {link.name for link in links}
    pods: dict[str, Pod] = {
        uid: Pod(name=one.name, container_id=uid, state=one.state) for uid, one in runner.items()
    }
    for one in cached:
        target = one.target
        mark = Owner(one.network, target.container_id, target.ifname).mark
        made = _attachment(one, owned.pop(mark, ""), names)
        there = pods.get(target.container_id) or Pod(name=_name(one), container_id=target.container_id)
        more = {"netns": target.netns, "attachments": (*there.attachments, made)}
        pods[target.container_id] = there.model_copy(update=more)
    for mark, link in owned.items():
        _adopt(pods, mark, link)
    return tuple(sorted(pods.values(), key=lambda pod: (len(pod.name), pod.name)))


def read_runner(folder: Path) -> dict[str, RunnerPod]:
    """Return what the folders of the runner's pods say, by uid; nothing where it does not run."""
    found = {}
    for order in sorted(folder.glob(f"*/{ORDER}")):
        with suppress(OSError, ValueError, CniError):  # it is being made, or removed, or damaged: no name
            body = json.loads(order.read_bytes())
            metadata = body["pod"]["metadata"] if isinstance(body, dict) else {}
            name = f"{metadata.get('namespace', 'default')}/{metadata['name']}"
            found[order.parent.name] = RunnerPod(name, _phase(order.with_name(STATUS)))
    return found


def _phase(path: Path) -> str:
    try:
        return str(decode_object(path.read_bytes(), str(path)).get("phase", ""))
    except (OSError, CniError):  # not written yet
        return ""


def _adopt(pods: dict[str, Pod], mark: str, link: str) -> None:
    """Give a link whose attachment nobody remembers to the pod that its owner's mark names."""
    network, _, rest = mark.partition(" ")
    container, _, ifname = rest.partition(" ")
    there = pods.get(container) or Pod(name=container, container_id=container)
    made = Attachment(network=network, ifname=ifname, host_link=link)
    pods[container] = there.model_copy(update={"attachments": (*there.attachments, made)})


def _attachment(one: CachedAttachment, owned: str, names: set[str]) -> Attachment:
    result = _result(one.result)
    outer = [link.name for link in result.interfaces if not link.sandbox and link.name in names]
    addresses = tuple(str(ip.address).partition("/")[0] for ip in result.ips)
    # A plugin of somebody else's leaves no mark, but names what it made: bridges first, the pod's end last.
    host_link = owned or (outer[-1] if outer else "")
    return Attachment(network=one.network, ifname=one.target.ifname, addresses=addresses, host_link=host_link)


def _result(body: JsonObject | None) -> Result:
    try:
        return read_result(body or {}, LATEST_VERSION)
    except CniError:  # a damaged file: what the link's alias says remains
        return Result()


def _name(one: CachedAttachment) -> str:
    """Return what people call a pod: as Kubernetes does, by its namespace's name, else by its id."""
    said = dict(one.target.args)
    if POD_NAME in said:
        return f"{said.get(POD_NAMESPACE, 'default')}/{said[POD_NAME]}"
    path = Path(one.target.netns)
    is_named = str(path.parent) in NETNS_FOLDERS and not path.name.startswith("cni-")  # containerd's
    return path.name if is_named else one.target.container_id
