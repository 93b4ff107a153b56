"""A pod of one's own for `podwire run`: its body, its beginning, what its program exits with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cni_spec.errors import INVALID_CONFIG, NOT_AVAILABLE, CniError
from cni_spec.json_input import JsonObject
from pod_runner.cluster.bodies import member, number, rows, table, text
from pod_runner.cluster.kinds import POD
from pod_runner.cluster.objects import Object, ref_of_body
from pod_runner.cluster.store import ClusterStore, NotFound
from pod_runner.images.root_fs import HOST_IMAGE
from podwire.cluster.pod_words import words_of
from podwire.cluster.watching import TimedOut, states
from podwire.cluster.where import Place, ask

HOPELESS = ("ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError", "Unschedulable")
MARGIN = 5.0  # seconds that a child in a lab gets beyond what it waits itself


@dataclass(frozen=True)
class Wish:
    """What `podwire run` was asked for. `restart` "": Never where somebody watches, else Always."""

    name: str
    namespace: str = "default"
    image: str = HOST_IMAGE
    command: tuple[str, ...] = ()
    is_entrypoint: bool = False
    restart: str = ""
    env: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    port: int = 0
    stdin: bool = False
    tty: bool = False
    is_attached: bool = False
    node: str = ""
    host_network: bool = False


def manifest_of(wish: Wish) -> JsonObject:
    """Return the pod, as a manifest would say it. Raises CniError."""
    container: JsonObject = {"name": wish.name, "image": wish.image}
    if wish.command:  # the host's own root has no entrypoint that arguments could be for
        is_whole = wish.is_entrypoint or wish.image == HOST_IMAGE
        container["command" if is_whole else "args"] = list(wish.command)
    if wish.env:
        container["env"] = [{"name": key, "value": value} for key, value in map(_pair, wish.env)]
    if wish.port:
        container["ports"] = [{"containerPort": wish.port}]
    if wish.stdin:
        container |= {"stdin": True, "stdinOnce": True}
    if wish.tty:
        container["tty"] = True
    spec: JsonObject = {"containers": [container]}
    spec["restartPolicy"] = wish.restart or ("Never" if wish.is_attached else "Always")
    if wish.node:
        spec["nodeSelector"] = {"kubernetes.io/hostname": wish.node}
    if wish.host_network:
        spec["hostNetwork"] = True
    labels = dict(map(_pair, wish.labels)) or {"run": wish.name}
    metadata: JsonObject = {"name": wish.name, "namespace": wish.namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def await_begun(place: Place, pod: Object, seconds: float) -> Object:
    """Wait until a pod's program runs, or has run; return the pod as it is then.

    Raises:
        CniError: it will not, or not in time; the message says what it waits for.
    """

    def begun(body: JsonObject) -> bool:
        status = _status(body)
        if (reason := text(status, "state", "waiting", "reason")) in HOPELESS:
            raise CniError(
                NOT_AVAILABLE, f"pod {pod.name}: {reason}: {text(status, 'state', 'waiting', 'message')}"
            )
        has_run = any(table(status, state, kind) for state, kind in _RUNS)
        return has_run or text(body, "status", "phase") in ("Succeeded", "Failed")

    return _awaited(place, pod, begun, seconds)


def await_exit_code(place: Place, pod: Object, seconds: float) -> int:
    """Wait until a pod's program has ended; return what it exited with."""

    def has_ended(body: JsonObject) -> bool:
        return bool(_ends(body)) or text(body, "status", "phase") in ("Succeeded", "Failed")

    ends = _ends(_awaited(place, pod, has_ended, seconds).body)
    return number(ends[0], "exitCode") if ends else 1


_RUNS = (("state", "running"), ("state", "terminated"), ("lastState", "terminated"))


def _awaited(place: Place, pod: Object, holds: Callable[[JsonObject], bool], seconds: float) -> Object:
    def look(cluster: ClusterStore) -> JsonObject:
        body = pod.body
        for known in states(cluster, [POD], seconds):
            if known is None:
                raise TimedOut(f"pod {pod.name}, which is {words_of(body).status}", seconds)
            if pod.ref not in known or known[pod.ref].uid != pod.uid:
                raise NotFound(f"{pod.ref} was deleted")
            body = known[pod.ref].body
            if holds(body):
                break
        return body

    body = ask(place, f"pod {pod.name}", look, seconds + MARGIN)
    return Object(ref_of_body(body), body)


def _status(body: JsonObject) -> JsonObject:
    return next(iter(rows(body, "status", "containerStatuses")), {})


def _ends(body: JsonObject) -> Sequence[JsonObject]:
    """Return how the program has ended, the last time first."""
    found = (member(_status(body), state, "terminated") for state in ("state", "lastState"))
    return [one for one in found if isinstance(one, dict)]


def _pair(said: str) -> tuple[str, str]:
    key, equals, value = said.partition("=")
    if not key or not equals:
        raise CniError(INVALID_CONFIG, f"{said!r}: expected KEY=VALUE")
    return key, value
