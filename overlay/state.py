"""What a node remembers on disk: the last it knew of everybody, so that it needs no registry to converge.

One JSON file, replaced as a whole (written, synced, renamed) and sealed with a check sum; one that is
damaged is the same as none. Leases stand in it as flannel writes them.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

from cni_spec.errors import CniError
from overlay.errors import BadRecord
from overlay.flannel_form import dump_lease, load_value
from overlay.net_conf import NetConf, parse_net_conf
from overlay.record import NodeRecord
from overlay.subnet import parse_subnet

FILE = "snapshot.json"


@dataclass(frozen=True)
class State:
    """A snapshot. `own` is this node's record, None before it had a lease; `blocks` its further leases."""

    net_conf: NetConf | None = None
    own: NodeRecord | None = None
    blocks: tuple[NodeRecord, ...] = ()
    records: tuple[NodeRecord, ...] = ()


def load_state(folder: Path) -> tuple[State, str]:
    """Return the snapshot, and what is wrong with it ("" for nothing); an empty one if there is none."""
    try:
        text = (folder / FILE).read_text()
    except FileNotFoundError:  # the first start
        return State(), ""
    except (OSError, UnicodeDecodeError) as error:
        return State(), f"{folder / FILE} cannot be read: {error}"
    head, _, body = text.partition("\n")
    if head != _seal(body):
        return State(), f"{folder / FILE} is damaged; the registry is waited for"
    try:
        return _read(json.loads(body)), ""
    except (ValueError, KeyError, TypeError, BadRecord, CniError) as error:
        return State(), f"{folder / FILE} is of another version: {error}"


def save_state(folder: Path, state: State) -> None:
    """Write the snapshot. Raises OSError."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    body = json.dumps(_write(state), separators=(",", ":"))
    draft = folder / f".{FILE}.{os.getpid()}"
    with draft.open("w") as file:
        file.write(f"{_seal(body)}\n{body}")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / FILE)


def _seal(body: str) -> str:
    return f"podwire-overlay 1 {zlib.crc32(body.encode()):08x}"


def _write(state: State) -> dict[str, object]:
    conf = state.net_conf.model_dump(mode="json", by_alias=True) if state.net_conf else None
    return {
        "net_conf": conf,
        "own": _entry(state.own) if state.own else None,
        "blocks": [_entry(one) for one in state.blocks],
        "records": [_entry(one) for one in state.records],
    }


def _read(body: dict[str, object]) -> State:
    conf = body["net_conf"]
    own = body["own"]
    return State(
        parse_net_conf(json.dumps(conf), FILE)[0] if conf else None,
        _record(own) if own else None,
        tuple(map(_record, _list(body["blocks"]))),
        tuple(map(_record, _list(body["records"]))),
    )


def _entry(record: NodeRecord) -> list[object]:
    subnets = [str(one) for one in record.subnets]
    return [record.key, subnets, record.created, record.is_live, dump_lease(record)]


def _record(entry: object) -> NodeRecord:
    key, subnets, created, is_live, value = _list(entry)
    parsed = tuple(parse_subnet(str(one)) for one in _list(subnets))
    record = load_value(str(key), parsed, str(value), created=int(str(created)))
    return replace(record, is_live=bool(is_live))


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, came {str(value)[:40]}")
    return value
