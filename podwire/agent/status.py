"""What an agent is and has done, as JSON: the answer to `@status`."""

from __future__ import annotations

import json
import os
import time
from importlib.metadata import version
from pathlib import Path

from cni_spec.json_input import JsonObject
from podwire.agent.counters import BUCKETS, Counters, Duration
from podwire.agent.jobs import Pool

VERSION = version("podwire")  # read from disk, and so not while callers wait
QUANTILES = (0.5, 0.99)


def describe(counters: Counters, pool: Pool) -> str:
    """Return the status: `pid`, `since`, `requests`, `queue`, `memory` (bytes) and more."""
    seen = counters.snapshot()
    body: JsonObject = {
        "pid": os.getpid(),
        "version": VERSION,
        "since": seen.since,
        "uptime": round(time.time() - seen.since, 3),
        "busy": pool.busy,
        "queue": pool.waiting,
        "stuck": pool.surplus,
        **process_facts(),
        "requests": [_outcome(seen, *key) for key in sorted(seen.requests)],
        "rejected": dict(sorted(seen.rejected.items())),
    }
    return json.dumps(body, indent=4)


def process_facts() -> dict[str, int]:
    """Return this process's `memory` in bytes (VmRSS), and its numbers of `descriptors` and `threads`."""
    status = Path("/proc/self/status").read_text()
    facts = dict(line.split(":", 1) for line in status.splitlines())
    return {
        "memory": int(facts["VmRSS"].split()[0]) * 1024,
        "descriptors": len(os.listdir("/proc/self/fd")) - 1,  # noqa: PTH208 - but for the one that lists
        "threads": int(facts["Threads"]),
    }


def quantile(duration: Duration, share: float) -> float:
    """Return an upper bound of what a share of requests took, in seconds."""
    wanted, seen = share * duration.number, 0
    for number, bound in zip(duration.counts, (*BUCKETS, float("inf")), strict=True):
        seen += number
        if seen >= wanted:
            return bound
    return float("inf")


def _outcome(seen: Counters, verb: str, plugin: str, code: int) -> JsonObject:
    duration = seen.durations[verb, plugin]
    body: JsonObject = {"verb": verb, "plugin": plugin, "code": code}
    body |= {"number": seen.requests[verb, plugin, code], "mean": duration.total / duration.number}
    bounds = {f"p{round(share * 100)}": quantile(duration, share) for share in QUANTILES}
    return body | {name: bound if bound != float("inf") else None for name, bound in bounds.items()}
