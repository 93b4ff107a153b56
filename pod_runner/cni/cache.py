"""What was attached, in libcni's files: `<cache>/results/<network>-<container>-<interface>`.

DEL and CHECK get the final result of ADD from here, GC learns what there is. Written whole or not at all
(temporary file, fsync, rename); the directory is 0700, a file 0600, for capability arguments may be secret.
A file of an older libcni holds nothing but the result; it is read too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from cni_spec.config import SpecModel, validate
from cni_spec.errors import DECODING_FAILURE, IO_FAILURE, CniError
from cni_spec.json_input import JsonObject, decode_object
from cni_spec.network_list import NetworkList
from pod_runner.cni.derive import Target
from pod_runner.cni.lists import read_file

KIND = "cniCacheV1"
_HASHED = re.compile("[0-9a-f]{64}")
FILE_NAME_LIMIT = 240  # bytes; NAME_MAX less what a temporary file's name adds


@dataclass(frozen=True)
class CachedAttachment:
    """One file of the cache. `config` is the list as ADD used it, b"" in a file of an older libcni."""

    network: str
    target: Target
    config: bytes
    result: JsonObject | None

    @classmethod
    def of(cls, network: NetworkList, target: Target, result: JsonObject) -> CachedAttachment:
        """Make the record of an ADD that went well."""
        return cls(network.name, target, json.dumps(network.to_json()).encode(), result)

    def to_json(self) -> JsonObject:
        """Return libcni's form; what is empty is left out as there."""
        optional: JsonObject = {
            "netns": self.target.netns,
            "cniArgs": [list(pair) for pair in self.target.args],
            "capabilityArgs": dict(self.target.capability_args),
            "result": self.result,
        }
        return {
            "kind": KIND,
            "containerId": self.target.container_id,
            "config": base64.b64encode(self.config).decode(),
            "ifName": self.target.ifname,
            "networkName": self.network,
        } | {key: value for key, value in optional.items() if value}


class _CacheFile(SpecModel):
    kind: Literal["cniCacheV1"]
    container_id: str = Field(alias="containerId")
    config: str = ""
    ifname: str = Field(alias="ifName")
    network: str = Field(alias="networkName")
    netns: str = ""
    args: tuple[tuple[str, str], ...] = Field((), alias="cniArgs")
    capability_args: JsonObject = Field(default_factory=dict, alias="capabilityArgs")
    result: JsonObject | None = None


class ResultCache:
    """The directory of results."""

    def __init__(self, cache_directory: Path) -> None:
        self.directory = cache_directory / "results"

    def path(self, network: str, target: Target) -> Path:
        """Return the file of an attachment; where libcni's name is longer than a name may be, a hash."""
        name = f"{network}-{target.container_id}-{target.ifname}"
        if len(name.encode()) > FILE_NAME_LIMIT:
            name = hashlib.sha256(name.encode()).hexdigest()
        return self.directory / name

    def read(self, network: str, target: Target) -> CachedAttachment | None:
        """Return what is known of an attachment, None if nothing is.

        Raises:
            CniError: code 6 for a file that is not what it should be, 5 if it cannot be read.
        """
        path = self.path(network, target)
        if not path.exists():
            return None
        body = decode_object(read_file(path), str(path))
        if "kind" not in body:
            return CachedAttachment(network, target, b"", body)
        cached = _cached(body, path)
        if (cached.network, cached.target.container_id) != (network, target.container_id):
            raise CniError(
                DECODING_FAILURE, f"{path}: it is of {cached.network} {cached.target.container_id}"
            )
        return cached

    def write(self, attachment: CachedAttachment) -> None:
        """Keep an attachment for good. Raises CniError 5 with the system's words."""
        path = self.path(attachment.network, attachment.target)
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_whole(path, json.dumps(attachment.to_json()).encode())
        except OSError as error:
            raise CniError(IO_FAILURE, f"{path}: {error.strerror}") from error

    def remove(self, network: str, target: Target) -> None:
        """Forget an attachment, known or not."""
        self.path(network, target).unlink(missing_ok=True)

    def attachments(
        self, network: str | None = None, container_id: str | None = None
    ) -> list[CachedAttachment]:
        """Return the attachments to one network, or to all; files that tell no ids are passed over.

        With `container_id` files of other containers are not even read.
        """
        found = []
        for path in sorted(self.directory.glob("[!.]*")):  # a temporary file begins with a dot
            if container_id is not None and not _may_be_of(path.name, container_id):
                continue
            try:
                cached = _cached(decode_object(read_file(path), str(path)), path)
            except CniError:  # an older libcni's, or nobody's: nothing to go by
                continue
            if network in (None, cached.network) and container_id in (None, cached.target.container_id):
                found.append(cached)
        return found


def _may_be_of(name: str, container_id: str) -> bool:
    return f"-{container_id}-" in name or _HASHED.fullmatch(name) is not None


def _cached(body: JsonObject, path: Path) -> CachedAttachment:
    try:
        read = validate(_CacheFile, {key: value for key, value in body.items() if value is not None})
        config = base64.b64decode(read.config, validate=True)
    except (CniError, binascii.Error) as error:
        raise CniError(DECODING_FAILURE, f"{path}: it is no {KIND} file: {error}") from error
    target = Target(read.container_id, read.netns, read.ifname, read.args, read.capability_args)
    return CachedAttachment(read.network, target, config, read.result)


def _write_whole(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
