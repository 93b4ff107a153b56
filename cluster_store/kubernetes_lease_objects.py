"""Lease (coordination.k8s.io/v1) objects: one record of what nodes agree upon, JSON <-> value. Pure.

A session is a life of a node; it goes on for as long as its own Lease exists, which the node renews and
anybody removes that has seen no renewal for `seconds`. Every other Lease names the session that it belongs
to, and means nothing once that one is gone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from cluster_store.kubernetes_answers import JsonObject

KEY, SESSION = "podwire.io/key", "podwire.io/session"  # annotations
LABEL = "podwire.io/part"  # label of all of ours
PART = "balancing"
SESSIONS = "sessions/"  # keys of the Leases that sessions are
API_VERSION = "coordination.k8s.io/v1"
SECONDS_MAX = 86_400


@dataclass(frozen=True)
class Record:
    """One Lease. `seconds` is how long it may stay without renewal; it counts for sessions only."""

    key: str
    holder: str
    session: int
    seconds: int = 0
    version: str = ""

    @property
    def name(self) -> str:
        """Return the object's name, a DNS subdomain: for people who list them; the key is what counts."""
        name = "podwire-" + self.key.strip("/").replace("/", "-").replace(":", "-").lower()
        return name if name[-1].isalnum() else f"{name}0"  # fd02:: ends so

    @property
    def is_session(self) -> bool:
        """Tell whether it is a session itself."""
        return self.key.startswith(SESSIONS)

    def as_json(self, now: float) -> JsonObject:
        """Return the object; `now` in seconds of the epoch is for who reads it, nobody compares clocks."""
        spec: JsonObject = {"holderIdentity": self.holder, "renewTime": _stamp(now)}
        if self.seconds:
            spec["leaseDurationSeconds"] = self.seconds
        metadata: JsonObject = {
            "name": self.name, "labels": {LABEL: PART},
            "annotations": {KEY: self.key, SESSION: f"{self.session}"},
        }  # fmt: skip
        if self.version:
            metadata["resourceVersion"] = self.version
        return {"apiVersion": API_VERSION, "kind": "Lease", "metadata": metadata, "spec": spec}


def read_record(item: JsonObject) -> Record | None:
    """Return what a Lease says, None if it is none that a node of ours could have written."""
    metadata, spec = _inner(item, "metadata"), _inner(item, "spec")
    given = _inner(metadata, "annotations")
    key, session, holder = given.get(KEY), given.get(SESSION), spec.get("holderIdentity")
    version, seconds = metadata.get("resourceVersion"), spec.get("leaseDurationSeconds", 0)
    if not (isinstance(key, str) and key and isinstance(holder, str) and isinstance(version, str)):
        return None
    if not (isinstance(session, str) and session.isdecimal() and len(session) < 20 and version.isdecimal()):
        return None
    if not isinstance(seconds, int) or not 0 <= seconds <= SECONDS_MAX:
        return None
    found = Record(key, holder, int(session), seconds, version)
    return found if metadata.get("name") == found.name else None


def _inner(body: JsonObject, key: str) -> JsonObject:
    found = body.get(key)
    return found if isinstance(found, dict) else {}


def _stamp(now: float) -> str:
    """Return a MicroTime (meta/v1)."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06}Z"
