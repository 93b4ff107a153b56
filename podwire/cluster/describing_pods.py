"""A pod and its template for a person. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pod_runner.cluster.bodies import JsonObject, is_true, member, number, rows, table, text, texts, words
from podwire.cluster.cells import NOTHING
from podwire.cluster.outline import Fact, Line, Part, part
from podwire.cluster.pod_words import words_of

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def pod_lines(pod: JsonObject) -> Iterator[Line]:
    """Say what a pod is and how it is."""
    owners = [f"{text(one, 'kind')}/{text(one, 'name')}" for one in rows(pod, "metadata", "ownerReferences")]
    yield Fact("Node", text(pod, "spec", "nodeName") or NOTHING)
    yield Fact("Start Time", text(pod, "status", "startTime"))
    yield Fact("Status", words_of(pod).status)
    yield Fact("Reason", text(pod, "status", "reason"))
    yield Fact("Message", text(pod, "status", "message"))
    yield Fact("IPs", ", ".join(text(one, "ip") for one in rows(pod, "status", "podIPs")))
    yield Fact("Controlled By", ", ".join(owners))
    yield part("Init Containers", _containers(pod, "initContainers", "initContainerStatuses"))
    yield part("Containers", _containers(pod, "containers", "containerStatuses"))
    yield part("Conditions", conditions(pod))
    yield from spec_tail(table(pod, "spec"))
    for name, title in (("limitsNotApplied", "Limits Not Applied"), ("troubles", "Troubles")):
        yield part(title, texts(pod, "status", "podwire", name))


def template_lines(template: JsonObject) -> Iterator[Line]:
    """Say what pods of a template are to be."""
    yield Fact("Labels", map_text(words(template, "metadata", "labels")))
    yield Fact("Annotations", map_text(words(template, "metadata", "annotations")))
    yield part("Init Containers", _containers(template, "initContainers", ""))
    yield part("Containers", _containers(template, "containers", ""))
    yield from spec_tail(table(template, "spec"))


def spec_tail(spec: JsonObject) -> Iterator[Line]:
    """Say the rest of a pod's spec: volumes, and which nodes it may be on."""
    yield part("Volumes", (_volume(one) for one in rows(spec, "volumes")))
    yield Fact("Node-Selectors", map_text(words(spec, "nodeSelector")))
    yield Fact("Tolerations", "\n".join(map(_toleration, rows(spec, "tolerations"))))


def conditions(body: JsonObject) -> Iterator[Line]:
    """Say an object's conditions."""
    for one in rows(body, "status", "conditions"):
        said = " ".join(filter(None, [text(one, "reason"), text(one, "message")]))
        yield Fact(text(one, "type"), f"{text(one, 'status')}{f'  {said}' if said else ''}")


def map_text(found: dict[str, str]) -> str:
    """Return labels or annotations, one a line."""
    return "\n".join(f"{key}={value}" for key, value in sorted(found.items()))


def _containers(body: JsonObject, key: str, statuses: str) -> Iterator[Part]:
    said = {text(one, "name"): one for one in rows(body, "status", statuses)} if statuses else {}
    for one in rows(body, "spec", key):
        status = said.get(text(one, "name"), {})
        yield part(text(one, "name"), [*_what(one, status), *_how(status), *_details(one)])


def _what(one: JsonObject, status: JsonObject) -> Iterator[Line]:
    ports = [
        f"{number(port, 'containerPort')}/{text(port, 'protocol') or 'TCP'}" for port in rows(one, "ports")
    ]
    taken = [
        f"{number(port, 'hostPort')}/{text(port, 'protocol') or 'TCP'}"
        for port in rows(one, "ports") if number(port, "hostPort")
    ]  # fmt: skip
    yield Fact("Container ID", text(status, "containerID"))
    yield Fact("Image", text(one, "image"))
    yield Fact("Image ID", text(status, "imageID"))
    yield Fact("Ports", ", ".join(ports))
    yield Fact("Host Ports", ", ".join(taken))
    yield Fact("Command", " ".join(texts(one, "command")))
    yield Fact("Args", " ".join(texts(one, "args")))


def _how(status: JsonObject) -> Iterator[Line]:
    if not status:
        return
    yield from _state("State", table(status, "state"))
    yield from _state("Last State", table(status, "lastState"))
    yield Fact("Ready", str(is_true(status, "ready")))
    yield Fact("Restart Count", str(number(status, "restartCount")))


def _state(label: str, state: JsonObject) -> Iterator[Line]:
    for kind in state:
        facts = table(state, kind)
        yield Fact(label, kind.capitalize())
        yield Fact("  Reason", text(facts, "reason"))
        yield Fact("  Message", text(facts, "message"))
        if kind == "terminated":
            yield Fact("  Exit Code", str(number(facts, "exitCode")))
        yield Fact("  Started", text(facts, "startedAt"))
        yield Fact("  Finished", text(facts, "finishedAt"))


def _details(one: JsonObject) -> Iterator[Line]:
    for key in ("limits", "requests"):
        found = {name: str(value) for name, value in table(one, "resources", key).items()}
        yield Fact(key.capitalize(), ", ".join(f"{name}={value}" for name, value in sorted(found.items())))
    for key in PROBES:
        if probe := table(one, key):
            yield Fact(key.removesuffix("Probe").capitalize(), _probe(probe))
    yield Fact("Environment", "\n".join(_variable(each) for each in rows(one, "env")))
    mounts = (
        f"{text(each, 'mountPath')} from {text(each, 'name')}{_access(each)}"
        for each in rows(one, "volumeMounts")
    )
    yield Fact("Mounts", "\n".join(mounts))


def _access(mount: JsonObject) -> str:
    return " (ro)" if is_true(mount, "readOnly") else " (rw)"


def _variable(one: JsonObject) -> str:
    if source := table(one, "valueFrom"):
        kind = next(iter(source))
        facts = (value for key, value in table(source, kind).items() if key != "apiVersion")
        return f"{text(one, 'name')}: from {kind} {' '.join(map(str, facts))}"
    return f"{text(one, 'name')}: {text(one, 'value')}"


def _probe(probe: JsonObject) -> str:
    if command := texts(probe, "exec", "command"):
        how = f"exec {' '.join(command)}"
    elif http := table(probe, "httpGet"):
        how = (
            f"http-get {text(http, 'scheme').lower() or 'http'}://:{member(http, 'port')}{text(http, 'path')}"
        )
    else:
        how = f"tcp-socket :{member(probe, 'tcpSocket', 'port')}"
    names = {"initialDelaySeconds": "delay", "timeoutSeconds": "timeout", "periodSeconds": "period"}
    times = [f"{word}={number(probe, key)}s" for key, word in names.items()]
    counts = [f"#{word}={number(probe, f'{word}Threshold', default=1)}" for word in ("success", "failure")]
    return " ".join([how, *times, *counts])


def _volume(volume: JsonObject) -> Fact:
    kind = next((key for key in volume if key != "name"), "emptyDir")
    facts = [f"{key}={value}" for key, value in table(volume, kind).items() if isinstance(value, str | int)]
    return Fact(text(volume, "name"), " ".join([kind, *facts]))


def _toleration(one: JsonObject) -> str:
    value = f"={text(one, 'value')}" if text(one, "value") else ""
    effect = f":{text(one, 'effect')}" if text(one, "effect") else ""
    seconds = member(one, "tolerationSeconds")
    how = f" for {seconds}s" if isinstance(seconds, int) else ""
    return f"{text(one, 'key') or 'everything'}{value}{effect}{how}"
