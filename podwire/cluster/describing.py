"""An object and what belongs to it, for a person. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import yaml

from pod_runner.cluster.bodies import JsonObject, member, number, rows, table, text, texts, words
from pod_runner.cluster.objects import Object
from podwire.cluster.ages import age
from podwire.cluster.cells import NOTHING, labels_text, node_status, port_text, selector_text
from podwire.cluster.describing_pods import conditions, map_text, pod_lines, template_lines
from podwire.cluster.outline import Fact, Line, outline, part
from podwire.cluster.pod_words import words_of
from podwire.cluster.printed import LAST_APPLIED


@dataclass(frozen=True)
class Beside:
    """What else is known: of a node its pods, of a service who answers, of a deployment its sets; events."""

    now: float
    pods: tuple[Object, ...] = ()
    sets: tuple[Object, ...] = ()
    endpoints: tuple[str, ...] = ()
    events: tuple[JsonObject, ...] = ()


def describe(found: Object, beside: Beside) -> str:
    """Return what is printed of an object, with its events, oldest first."""
    lines = outline([*_head(found), *DESCRIBED.get(found.ref.kind, _anything)(found, beside)])
    events = [_event(one, beside.now) for one in beside.events]
    told = outline([part("Events", events)]) if events else [f"Events:  {NOTHING}"]
    return "\n".join([*lines, *told]) + "\n"


def _head(found: Object) -> Iterator[Line]:
    annotations = words(found.body, "metadata", "annotations")
    annotations.pop(LAST_APPLIED, None)
    yield Fact("Name", found.name)
    yield Fact("Namespace", found.namespace)
    yield Fact("Labels", map_text(found.labels) or NOTHING)
    yield Fact("Annotations", map_text(annotations))
    yield Fact("Created", text(found.body, "metadata", "creationTimestamp"))
    yield Fact("Deletion", text(found.body, "metadata", "deletionTimestamp"))


def _pod(found: Object, _: Beside) -> Iterable[Line]:
    return pod_lines(found.body)


def _deployment(found: Object, beside: Beside) -> Iterator[Line]:
    counts = {"updated": "updatedReplicas", "total": "replicas", "available": "availableReplicas"}
    said = [f"{number(found.spec, 'replicas', default=1)} desired"]
    said += [f"{number(found.status, key)} {word}" for word, key in counts.items()]
    said.append(f"{number(found.status, 'unavailableReplicas')} unavailable")
    rolling = table(found.spec, "strategy", "rollingUpdate")
    yield Fact("Selector", selector_text(table(found.spec, "selector")))
    yield Fact("Replicas", " | ".join(said))
    yield Fact("Strategy", text(found.spec, "strategy", "type"))
    if rolling:
        limits = (
            f"{member(rolling, key)} {word}"
            for key, word in (("maxUnavailable", "max unavailable"), ("maxSurge", "max surge"))
        )
        yield Fact("Rolling Update", ", ".join(limits))
    yield Fact("Paused", "True" if member(found.spec, "paused") is True else "")
    yield part("Pod Template", template_lines(table(found.spec, "template")))
    yield part("Conditions", conditions(found.body))
    yield part("Replica Sets", (Fact(one.name, _set_size(one)) for one in beside.sets))


def _set_size(one: Object) -> str:
    made, wanted = number(one.status, "replicas"), number(one.spec, "replicas", default=1)
    return f"{made}/{wanted} replicas created"


def _replica_set(found: Object, _: Beside) -> Iterator[Line]:
    wanted, there = number(found.spec, "replicas", default=1), number(found.status, "replicas")
    owners = [
        f"{text(one, 'kind')}/{text(one, 'name')}" for one in rows(found.body, "metadata", "ownerReferences")
    ]
    yield Fact("Controlled By", ", ".join(owners))
    yield Fact("Selector", selector_text(table(found.spec, "selector")))
    yield Fact(
        "Replicas", f"{there} current / {wanted} desired, {number(found.status, 'readyReplicas')} ready"
    )
    yield part("Pod Template", template_lines(table(found.spec, "template")))
    yield part("Conditions", conditions(found.body))


def _service(found: Object, beside: Beside) -> Iterator[Line]:
    addresses = texts(found.spec, "clusterIPs") or (text(found.spec, "clusterIP") or NOTHING,)
    yield Fact("Selector", labels_text(words(found.spec, "selector")))
    yield Fact("Type", text(found.spec, "type") or "ClusterIP")
    yield Fact("IPs", ", ".join(addresses))
    yield Fact("External Name", text(found.spec, "externalName"))
    for one in rows(found.spec, "ports"):
        name, target = text(one, "name"), member(one, "targetPort") or number(one, "port")
        yield Fact("Port", f"{f'{name} ' if name else ''}{port_text(one)} to {target}")
    yield Fact("Session Affinity", text(found.spec, "sessionAffinity"))
    yield Fact("External Traffic", text(found.spec, "externalTrafficPolicy"))
    yield Fact("Endpoints", ", ".join(beside.endpoints) or NOTHING)


def _config_map(found: Object, _: Beside) -> Iterator[Line]:
    yield part("Data", (part(key, [value]) for key, value in words(found.body, "data").items()))
    binary = words(found.body, "binaryData")
    yield part("Binary Data", (Fact(key, f"{len(value) * 3 // 4} bytes") for key, value in binary.items()))


def _node(found: Object, beside: Beside) -> Iterator[Line]:
    addresses = (Fact(text(one, "type"), text(one, "address")) for one in rows(found.status, "addresses"))
    taints = (
        f"{text(one, 'key')}={text(one, 'value')}:{text(one, 'effect')}" for one in rows(found.spec, "taints")
    )
    yield Fact("Status", node_status(found.body))
    yield Fact("Taints", "\n".join(taints))
    yield Fact("Pod CIDRs", ", ".join(texts(found.spec, "podCIDRs")))
    yield part("Addresses", addresses)
    yield part("Conditions", conditions(found.body))
    for key in ("capacity", "allocatable"):
        facts = table(found.status, key).items()
        yield part(key.capitalize(), (Fact(name, str(value)) for name, value in facts))
    info = table(found.status, "nodeInfo").items()
    yield part("System", (Fact(name, str(value)) for name, value in info))
    pods = (Fact(f"{one.namespace}/{one.name}", words_of(one.body).status) for one in beside.pods)
    yield part("Pods", pods)


def _namespace(found: Object, _: Beside) -> Iterator[Line]:
    yield Fact("Status", text(found.status, "phase") or "Active")


def _anything(found: Object, _: Beside) -> Iterator[Line]:
    """Say what there is, where nothing better is known."""
    known = ("apiVersion", "kind", "metadata")
    rest = {key: value for key, value in found.body.items() if key not in known}
    yield yaml.safe_dump(rest, sort_keys=False, allow_unicode=True) if rest else ""


def _event(one: JsonObject, now: float) -> Line:
    times = number(one, "count", default=1)
    when = age(member(one, "lastTimestamp"), now) + (f" (x{times})" if times > 1 else "")
    source = text(one, "source", "component")
    said = " ".join(text(one, "message").split())
    return f"{text(one, 'type'):8} {text(one, 'reason'):20} {when:14} {source:22} {said}"


DESCRIBED: dict[str, Callable[[Object, Beside], Iterable[Line]]] = {
    "Pod": _pod,
    "Deployment": _deployment,
    "ReplicaSet": _replica_set,
    "Service": _service,
    "ConfigMap": _config_map,
    "Node": _node,
    "Namespace": _namespace,
}
