"""Parts of objects as kubectl prints them in a cell, or in what `describe` says. Pure."""

from __future__ import annotations

from pod_runner.cluster.bodies import JsonObject, is_true, number, rows, text, texts, words
from podwire.cluster.pod_words import condition_holds

NOTHING = "<none>"


def labels_text(labels: dict[str, str]) -> str:
    """Return labels as `a=b,c=d`."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or NOTHING


def selector_text(selector: JsonObject) -> str:
    """Return a LabelSelector as kubectl prints it."""
    found = [f"{key}={value}" for key, value in sorted(words(selector, "matchLabels").items())]
    for one in rows(selector, "matchExpressions"):
        operator, values = text(one, "operator"), ",".join(texts(one, "values"))
        key = text(one, "key")
        forms = {"Exists": key, "DoesNotExist": f"!{key}"}
        found.append(forms.get(operator, f"{key} {operator.lower()} ({values})"))
    return ",".join(found) or NOTHING


def port_text(port: JsonObject) -> str:
    """Return a service's port as "80:30080/TCP"."""
    node_port = number(port, "nodePort")
    outside = f":{node_port}" if node_port else ""
    return f"{number(port, 'port')}{outside}/{text(port, 'protocol') or 'TCP'}"


def node_status(body: JsonObject) -> str:
    """Return a node's STATUS."""
    known = any(text(one, "type") == "Ready" for one in rows(body, "status", "conditions"))
    ready = "Unknown" if not known else "Ready" if condition_holds(body, "Ready") else "NotReady"
    return ready + (",SchedulingDisabled" if is_true(body, "spec", "unschedulable") else "")


def event_object(body: JsonObject) -> str:
    """Return what an Event is about, as "pod/web"."""
    return f"{text(body, 'involvedObject', 'kind').lower()}/{text(body, 'involvedObject', 'name')}"
