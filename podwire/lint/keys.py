"""Keys nobody knows, values the plugin's model refuses."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, get_args

from pydantic import ValidationError

from cni_plugins.plugin import Plugin
from cni_plugins.registry import PLUGIN_TYPES, load_plugin
from cni_spec.config import Remarks, SpecModel, complaints, fold_keys
from cni_spec.errors import CniError
from cni_spec.json_input import JsonObject
from cni_spec.network_list import NetworkList, PluginEntry
from cni_spec.positions import join_path, parent_of
from cni_spec.suggestions import suggest
from podwire.lint.findings import Document, Finding, Findings, Placed, Severity
from podwire.lint.kinds import FOREIGN_TYPES, IPAM_TYPES, OVERLAY_TYPES

LIST_KEYS = (
    "cniVersion", "cniVersions", "name", "disableCheck", "disableGC", "loadOnlyInlinedPlugins", "plugins",
)  # fmt: skip


def check_list_keys(document: Document) -> Findings:
    """Find keys of a list that nobody reads: they count in their exact spelling only."""
    for key in document.body:
        if key not in LIST_KEYS:
            sentence = f'unknown key "{key}" in a list{suggest(key, LIST_KEYS)}'
            yield document.at_key(key, Severity.WARNING, sentence)


def check_plugin(placed: Placed, network: NetworkList) -> Findings:
    """Judge one plugin's configuration by its model, and that of its IPAM by the IPAM's."""
    plugin_type = placed.entry.type
    if plugin_type in IPAM_TYPES:  # not here: `check_order` says where it belongs
        return
    if plugin_type not in PLUGIN_TYPES:
        yield from _check_foreign(placed)
        return
    yield from _check_model(placed, load_plugin(plugin_type), network)
    if plugin_type in OVERLAY_TYPES:
        yield from _check_overlay(placed, network)
        return
    ipam = placed.look("ipam")
    if isinstance(ipam, dict) and ipam:
        yield from _check_ipam(placed, placed.look("ipam", "type"), network)


def _check_overlay(placed: Placed, network: NetworkList) -> Findings:
    """Judge the delegate's section by the delegate's model, and the IPAM's with what the lease will add."""
    for key in ("ranges", "subnet"):
        if placed.look("ipam", key) is not None:
            yield placed.warning(f"ipam.{key}", f"ipam.{key}: the ranges are those of the node's lease")
    ipam = placed.look("ipam")
    if isinstance(ipam, dict):
        body = placed.entry.body | {"ipam": {"type": "host-local"} | ipam}
        whole = replace(placed, entry=replace(placed.entry, body=body))
        yield from _check_ipam(whole, whole.look("ipam", "type"), network)
    section = placed.look("delegate")
    if isinstance(section, dict):
        kind = placed.look("delegate", "type")
        entry = PluginEntry(kind if isinstance(kind, str) else "bridge", _without_ours(section))
        yield from check_plugin(Placed(entry, placed.document, placed.inside("delegate")), network)


def _without_ours(section: JsonObject) -> JsonObject:
    """Return a delegate's section without what is judged, or served, by the plugin that hands it on."""
    is_ptp = section.get("type") == "ptp"
    ours = {"name", "ipam", *(("isdefaultgateway",) if is_ptp else ())}
    return {key: value for key, value in section.items() if key.casefold() not in ours}


def _check_foreign(placed: Placed) -> Findings:
    if placed.entry.type in FOREIGN_TYPES:
        return
    hint = suggest(placed.entry.type, (*PLUGIN_TYPES, *FOREIGN_TYPES))
    yield placed.warning(
        "type", f'"{placed.entry.type}" is no plugin of podwire, its keys are not judged{hint}'
    )


def _check_ipam(placed: Placed, ipam_type: object, network: NetworkList) -> Findings:
    if not isinstance(ipam_type, str) or not ipam_type:
        yield placed.error("ipam", "ipam has no type")
    elif ipam_type in PLUGIN_TYPES:
        yield from _check_model(placed, load_plugin(ipam_type), network, only_below="ipam")
    elif ipam_type not in FOREIGN_TYPES:
        hint = suggest(ipam_type, (*PLUGIN_TYPES, *FOREIGN_TYPES))
        yield placed.warning(
            "ipam.type", f'"{ipam_type}" is no plugin of podwire, its keys are not judged{hint}'
        )


def _check_model(placed: Placed, plugin: Plugin[Any], network: NetworkList, only_below: str = "") -> Findings:
    remarks = Remarks()
    body = placed.entry.body | {"name": network.name, "cniVersion": network.version}
    try:
        folded = fold_keys(plugin.config, body, "", remarks)
    except CniError as error:
        yield placed.error(error.msg.partition(":")[0], error.msg)
        return
    severity = Severity.ERROR if folded.get("strict") is True else Severity.WARNING
    for path, _ in remarks.unknown:
        if path.startswith(only_below):
            yield _unknown(placed, plugin, path, severity)
    if not only_below:
        for warning in remarks.warnings:
            yield placed.document.at_key(placed.inside(warning.split('"')[1]), Severity.WARNING, warning)
    yield from _refused(placed, plugin.config, folded, only_below)


def _unknown(placed: Placed, plugin: Plugin[Any], path: str, severity: Severity) -> Finding:
    known = _keys_at(plugin.config, parent_of(path))
    key = path.removeprefix(parent_of(path)).lstrip(".")
    sentence = f'unknown key "{path}" of {plugin.name}{suggest(key, known)}'
    return placed.document.at_key(placed.inside(path), severity, sentence)


def _refused(placed: Placed, model: type[SpecModel], folded: JsonObject, only_below: str) -> Findings:
    try:
        model.model_validate_json(json.dumps(folded), strict=True)
    except ValidationError as error:
        for location, sentence in complaints(error):
            path = ""
            for part in location:
                path = join_path(path, part)
            if path.startswith(only_below):
                yield placed.error(path, sentence)


def _keys_at(model: type[SpecModel], path: str) -> list[str]:
    """Return the keys a model takes below a path, [] where it has no model of its own."""
    for part in path.replace("]", "").replace("[", ".").split("."):
        if not part.isdigit() and part:
            inner = {info.alias or name: info.annotation for name, info in model.model_fields.items()}.get(
                part
            )
            models = list(_models_in(inner))
            if not models:
                return []
            model = models[0]
    return [info.alias or name for name, info in model.model_fields.items()]


def _models_in(annotation: Any) -> Iterable[type[SpecModel]]:
    if isinstance(annotation, type) and issubclass(annotation, SpecModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
