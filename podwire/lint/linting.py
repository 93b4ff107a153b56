"""A file -> findings: reads the list, its drop-in directory and the lists beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from cni_spec.errors import CniError
from cni_spec.json_input import decode_object
from cni_spec.network_list import NetworkList, PluginEntry, parse_network_list, parse_plugin, parse_single
from cni_spec.positions import Spot, join_path, locate
from pod_runner.cni.lists import list_files, read_file, read_list_file
from podwire.lint.chain import check_capabilities, check_mtus, check_order
from podwire.lint.findings import Document, Finding, Placed, Severity
from podwire.lint.keys import check_list_keys, check_plugin
from podwire.lint.manifests import is_manifest, lint_manifest
from podwire.lint.pools import Pool, check_inside, check_overlaps, find_pools

START = Spot(1, 1)


def lint(file: Path, *, uplink_mtu: int | None = None) -> list[Finding]:
    """Return everything there is to say about a configuration or a manifest, in the order of its text.

    `uplink_mtu` is the MTU (bytes) of this machine's way out, None if it has none or is not to count.

    Raises:
        CniError: code 5, if the file cannot be read.
    """
    data = read_file(file)
    if is_manifest(file, data):
        return lint_manifest(file)
    document = _read(file, data)
    if isinstance(document, Finding):
        return [document]
    is_list = file.suffix == ".conflist" or "plugins" in document.body
    findings = list(check_list_keys(document)) if is_list else []
    try:
        network = (parse_network_list if is_list else parse_single)(data, str(file))
    except CniError as error:
        return [*findings, _about(document, error)]
    findings += _lint_network(document, network, is_list, uplink_mtu)
    return sorted(set(findings), key=lambda finding: finding.order)


def _lint_network(
    document: Document, network: NetworkList, is_list: bool, uplink_mtu: int | None
) -> list[Finding]:
    chain = [
        Placed(entry, document, f"plugins[{number}]" if is_list else "")
        for number, entry in enumerate(network.plugins)
    ]
    findings: list[Finding] = []
    if is_list and not network.load_only_inlined:
        added, findings = _read_drop_ins(document.file.parent / network.name)
        chain += added
    if not chain:
        findings.append(document.at_value("", Severity.ERROR, f"network {network.name} has no plugins"))
    for placed in chain:
        findings += check_plugin(placed, network)
    pools = find_pools(network.name, chain)
    for pool in pools:
        findings += check_inside(pool)
    return [
        *findings,
        *check_order(chain),
        *check_capabilities(chain),
        *check_mtus(chain, uplink_mtu),
        *check_overlaps(pools, _pools_beside(document.file, network.name)),
    ]


def _read_drop_ins(directory: Path) -> tuple[list[Placed], list[Finding]]:
    placed, findings = [], []
    for file in list_files(directory, ".conf"):
        document = _read(file, read_file(file))
        if isinstance(document, Finding):
            findings.append(document)
            continue
        try:
            entry = parse_plugin(document.positions.text.encode(), str(file))
        except CniError as error:
            findings.append(_about(document, error))
            continue
        placed.append(Placed(entry, document, ""))
    return placed, findings


def _pools_beside(file: Path, name: str) -> list[Pool]:
    """Return the pools of the other networks in the same directory; broken files are passed over."""
    pools: list[Pool] = []
    for other in list_files(file.parent, ".conflist", ".conf", ".json"):
        if other.absolute() == file.absolute():
            continue
        try:
            network = read_list_file(other)
        except CniError:  # it is linted by its own name
            continue
        if network.name != name:
            pools += find_pools(network.name, [_unplaced(entry, other) for entry in network.plugins])
    return pools


def _unplaced(entry: PluginEntry, file: Path) -> Placed:
    return Placed(entry, Document(file, entry.body, locate("{}")), "")


def _read(file: Path, data: bytes) -> Document | Finding:
    """Return what a JSON file says, or why it is none."""
    try:
        body = decode_object(data, str(file))
        return Document(file, body, locate(data.decode()))
    except CniError as error:
        return Finding(file, _spot_of_error(data), Severity.ERROR, error.msg.removeprefix(f"{file}: "))


def _spot_of_error(data: bytes) -> Spot:
    """Return where a text stops being JSON, or where a key is repeated; the start if that is not it."""
    try:
        text = data.decode()
        json.loads(text)
        positions = locate(text)
    except json.JSONDecodeError as error:
        return Spot(error.lineno, error.colno)
    except (ValueError, RecursionError):  # not UTF-8, nested too deep: there is no better place
        return START
    return positions.spot(positions.repeated[0][1]) if positions.repeated else START


def _about(document: Document, error: CniError) -> Finding:
    """Point at what an error names: its sentence begins with the file, then with keys and indices."""
    sentence = error.msg.removeprefix(f"{document.file}: ")
    path = ""
    for part in re.split(r": |\.", sentence):
        if " " in part:
            break
        path = join_path(path, int(part) if part.isdigit() else part)
    first = sentence.split(" ")[0]
    return Finding(document.file, document.positions.of_value(path or first), Severity.ERROR, sentence)
