"""Pods and replica sets from templates: what they are called, which labels tell them apart. Pure.

Names are made of letters and digits that spell no words (k8s.io/apimachinery/pkg/util/rand).
"""

from __future__ import annotations

import hashlib
import json
from random import Random

from pod_runner.cluster.bodies import JsonObject, table, with_member, words
from pod_runner.cluster.kinds import POD, REPLICA_SET
from pod_runner.cluster.metadata import as_created, new_uid, owner_reference
from pod_runner.cluster.objects import Ref
from pod_runner.controllers.views import SetView

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
HASH = "pod-template-hash"  # the label that tells one set's pods of a deployment from another's
REVISION = "deployment.kubernetes.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
NAME_MAX = 63  # characters; a pod's name is its host's name


def hash_of(template: JsonObject, collisions: int) -> str:
    """Return what tells a template's sets apart; `collisions`: how often the name was somebody else's."""
    said = json.dumps([plain(template), collisions], sort_keys=True)
    number = int.from_bytes(hashlib.sha256(said.encode()).digest()[:8])
    letters = ""
    for _ in range(10):
        number, letter = divmod(number, len(ALPHABET))
        letters += ALPHABET[letter]
    return letters


def plain(template: JsonObject) -> JsonObject:
    """Return a template without the label that a set adds; labels that are none are left out."""
    labels = {key: value for key, value in words(template, "metadata", "labels").items() if key != HASH}
    return with_member(template, labels, "metadata", "labels")


def pod_of(owner: SetView, random: Random, now: float) -> tuple[Ref, JsonObject]:
    """Return a new pod of a set."""
    stem = owner.name[: NAME_MAX - 6].rstrip("-.") + "-"
    name = stem + "".join(random.choices(ALPHABET, k=5))
    ref = Ref(POD.kind, owner.object.namespace, name)
    said = table(owner.template, "metadata")
    metadata: JsonObject = {
        "generateName": stem,
        "labels": words(said, "labels"),
        "annotations": words(said, "annotations"),
        "ownerReferences": [owner_reference(owner.object)],
    }
    body: JsonObject = {
        "metadata": metadata,
        "spec": table(owner.template, "spec"),
        "status": {"phase": "Pending"},
    }
    return ref, as_created(ref, body, now, new_uid())


def set_of(
    owner: SetView, replicas: int, revision: int, collisions: int, now: float
) -> tuple[Ref, JsonObject]:
    """Return a new replica set of a deployment."""
    mark = hash_of(owner.template, collisions)
    ref = Ref(REPLICA_SET.kind, owner.object.namespace, f"{owner.name}-{mark}")
    labels = {**words(owner.template, "metadata", "labels"), HASH: mark}
    selector = with_member(table(owner.object.spec, "selector"), mark, "matchLabels", HASH)
    annotations = {REVISION: str(revision)}
    if cause := owner.annotations.get(CHANGE_CAUSE):
        annotations[CHANGE_CAUSE] = cause
    body: JsonObject = {
        "metadata": {
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner_reference(owner.object)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": owner.min_ready,
            "selector": selector,
            "template": with_member(owner.template, labels, "metadata", "labels"),
        },
        "status": {"replicas": 0},
    }
    return ref, as_created(ref, body, now, new_uid())
