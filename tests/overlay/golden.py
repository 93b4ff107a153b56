"""What a real flanneld wrote, recorded: read from the folder of recordings, where there is one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.overlay.flannel.recordings import FOLDER


def need() -> None:
    """Skip a test where the recordings are absent."""
    if not FOLDER.is_dir():
        pytest.skip(f"no recordings of flannel at {FOLDER}")


def etcd_values() -> dict[str, str]:
    """Return every value that flannel has written into etcd, by case and key."""
    found = {}
    for path in sorted(FOLDER.glob("*/etcd_*.json")):
        if not path.name.endswith(".raw.json"):
            for entry in json.loads(path.read_text()):
                found[f"{path.parent.name}/{path.stem}{entry['key']}"] = entry["value_text"]
    return found


def leases() -> list[tuple[str, str]]:
    """Return all leases as (name, value)."""
    return sorted(
        {(key.rpartition("/")[2], text) for key, text in etcd_values().items() if "/subnets/" in key}
    )


def nodes() -> list[dict[str, Any]]:
    """Return the summaries of all Kubernetes Nodes that flannel has written on."""
    found = [
        one for path in sorted(FOLDER.glob("*/nodes_*.summary.json")) for one in json.loads(path.read_text())
    ]
    return [one for one in found if any(key.startswith("flannel.") for key in one["annotations"] or {})]
