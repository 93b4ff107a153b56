"""Reservations and cached results: what attachments own in files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cni_spec.errors import CniError
from cni_spec.json_input import decode_object
from ipam.directory import parse_owner
from ipam.keys import parse_name
from ipam.network import DATA_DIR
from linuxnet.owner import Attachment
from pod_runner.cni.cache import ResultCache
from podwire.inspection.subject import Subject
from podwire.inspection.things import Thing


def reservations(subject: Subject) -> Iterator[Thing]:
    """Yield the addresses that the directories of host-local hold for a container."""
    for directory in sorted({DATA_DIR, *_configured(subject)}):
        for path in sorted(directory.glob("[!.]*/*")):  # <dataDir>/<network>/<address>
            if parse_name(path.name) is None or not path.is_file():
                continue
            owner = parse_owner(path.read_bytes())
            if owner.container_id in subject.container_ids:
                mark = Attachment(path.parent.name, owner.container_id, owner.ifname).mark
                yield Thing("file", "reservation", path.name, str(path), mark)


def results(subject: Subject, cache: ResultCache) -> Iterator[Thing]:
    """Yield the cached results of the attachments."""
    for one in subject.cached:
        mark = Attachment(one.network, one.target.container_id, one.target.ifname).mark
        yield Thing("file", "result", one.network, str(cache.path(one.network, one.target)), mark)


def _configured(subject: Subject) -> Iterator[Path]:
    """Yield the directories that the lists of the attachments name."""
    for one in subject.cached:
        try:
            body = decode_object(one.config, "cached list")
        except CniError:  # of an older libcni, or damaged: then the usual directory has to do
            continue
        plugins = body.get("plugins")
        for plugin in plugins if isinstance(plugins, list) else [body]:
            ipam = plugin.get("ipam") if isinstance(plugin, dict) else None
            data_dir = ipam.get("dataDir") if isinstance(ipam, dict) else None
            if isinstance(data_dir, str) and data_dir:
                yield Path(data_dir)
