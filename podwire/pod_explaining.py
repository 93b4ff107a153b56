"""`podwire pod explain`: all that would be done for a pod on this node, section by section, as commands.

What the runner does itself comes from its own plans (`pod_runner/supervisor/foreseeing.py`), what the plugins
do from theirs (`podwire/explain.py`).
"""

from __future__ import annotations

import shlex
import uuid
from dataclasses import replace

from cni_spec.json_input import JsonObject
from linuxnet import nft_keys
from linuxnet.kernel import Kernel
from pod_runner.cluster.bodies import table, text
from pod_runner.container.spec import Network
from pod_runner.kernel.steps import Step, remark
from pod_runner.manifests.pod import Pod
from pod_runner.supervisor.foreseeing import Section, foresee
from pod_runner.supervisor.networking import chosen_network, target_of
from pod_runner.supervisor.order import NodePlaces, PodOrder
from pod_runner.supervisor.plan import network_of
from podwire.explain import Explanation, explain

NAMES = uuid.UUID(
    "8f4f2a0e-6f0a-5d0c-9d5e-0d3c5f1f2b7a"
)  # of uids that are made from names: the same each time
ROOT, PAUSE = "export ROOT=/sys", "export PAUSE=$!"
AROUND = "Any folder will do to mount a root on: what is in it is not needed any more."
WHICH = "Which process it is: its namespaces are /proc/$PAUSE/ns."
NAMED = "A name for ip(8); the plugins are given /proc/$PAUSE/ns/net instead, and nothing is mounted."


def explain_pod(pod: JsonObject, places: NodePlaces, kernel: Kernel) -> list[Section]:
    """Return what `podwire pod run` would do for a pod.

    Raises:
        ContainerError, CniError: something that the pod names is not there, or may not be.
    """
    order = PodOrder(_named(pod), places)
    attached = _network(order, kernel)
    addresses = tuple(address for one in attached for address in one.addresses)
    sections = foresee(order, addresses)
    at = next(number for number, one in enumerate(sections) if one.is_own_shell) + 1
    if attached:
        sections.insert(at, Section("The network", tuple(_network_steps(attached))))
    return [_with_variables(one) for one in sections]


def _named(pod: JsonObject) -> JsonObject:
    metadata = table(pod, "metadata")
    namespace = text(metadata, "namespace") or "default"
    given: JsonObject = {
        "namespace": namespace,
        "uid": str(uuid.uuid5(NAMES, f"{namespace}/{text(metadata, 'name')}")),
    }
    return {**pod, "metadata": metadata | given}


def _network(order: PodOrder, kernel: Kernel) -> list[Explanation]:
    if network_of(Pod.model_validate(order.pod)) is not Network.CNI:
        return []
    return explain(chosen_network(order.node), target_of(order, order.uid), kernel)


def _network_steps(plugins: list[Explanation]) -> list[Step]:
    steps = [Step(PAUSE, WHICH), Step("ip netns attach CONTAINER $PAUSE", NAMED)]
    for one in plugins:
        why = f"What the plugin {one.plugin} does."
        steps += [remark(said, why) for said in one.remarks]
        steps += [_typed(command, why) for command in one.commands]
    return steps


def _typed(command: str, why: str) -> Step:
    """Return a plan's operation as a shell takes it."""
    if command.startswith("wait "):
        return remark(command, why)
    if command == "nft -f podwire.nft":
        return Step(f"nft -f {shlex.quote(str(nft_keys.TEXT))}", why)
    if command.startswith("nft "):
        return Step(f"nft {shlex.quote(command.replace('; nft ', '; ').removeprefix('nft '))}", why)
    return Step(command, why)


def _with_variables(section: Section) -> Section:
    uses_root = any("$ROOT" in step.command for step in section.steps)
    first = (Step(ROOT, AROUND),) if section.is_own_shell and uses_root else ()
    return replace(section, steps=(*first, *section.steps))
