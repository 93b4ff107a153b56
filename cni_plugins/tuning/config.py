"""What the tuning plugin takes, and where else it may come from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field

from cni_spec.addresses import Mac, parse_mac
from cni_spec.config import NetworkConfig, Remarks, SpecModel, fold_keys, validate
from cni_spec.errors import INVALID_CONFIG, IO_FAILURE, CniError
from cni_spec.request import Request

ALLOW_LIST = Path("/etc/cni/tuning/allowlist.conf")
Mtu = Annotated[int, Field(ge=0, le=65535)]  # bytes; 0 leaves it alone, as in the reference


class Wishes(SpecModel):
    """What can be set; None leaves it alone."""

    sysctl: dict[str, str] = Field(default_factory=dict)
    mac: Mac | None = None
    promisc: bool | None = None
    mtu: Mtu | None = None  # bytes
    allmulti: bool | None = None
    txqlen: Annotated[int, Field(ge=0)] | None = Field(None, alias="txQLen")  # packets


class RuntimeConfig(SpecModel):
    """What a runtime hands over for one container."""

    mac: Mac | None = None


class TuningConfig(NetworkConfig):
    """What the network's author asked of the tuning plugin."""

    sysctl: dict[str, str] = Field(default_factory=dict)
    mac: Mac | None = None
    promisc: bool = False
    mtu: Mtu = 0
    allmulti: bool | None = None
    txqlen: Annotated[int, Field(ge=0)] | None = Field(None, alias="txQLen")
    data_dir: Annotated[str, Field(pattern=r"^/[^\x00]*$")] = Field("/run/cni/tuning", alias="dataDir")
    runtime_config: RuntimeConfig = Field(RuntimeConfig(), alias="runtimeConfig")


def wishes_of(config: TuningConfig, request: Request) -> Wishes:
    """Return what is wanted: args.cni over runtimeConfig over CNI_ARGS over the configuration.

    Raises:
        CniError: code 7, if one of them is no such thing.
    """
    given = config.args.get("cni")
    extra = Wishes()
    if isinstance(given, dict):
        extra = validate(Wishes, fold_keys(Wishes, given, "args.cni.", Remarks()))
    return Wishes(
        sysctl=config.sysctl | extra.sysctl,
        mac=extra.mac or config.runtime_config.mac or _args_mac(request) or config.mac,
        promisc=(config.promisc or None) if extra.promisc is None else extra.promisc,
        mtu=extra.mtu or config.mtu or None,
        allmulti=config.allmulti if extra.allmulti is None else extra.allmulti,
        txqlen=config.txqlen if extra.txqlen is None else extra.txqlen,
    )


def sysctl_path(key: str, ifname: str) -> str:
    """Return the path below /proc/sys/net of a sysctl; IFNAME stands for the interface.

    Parts are separated by dots, or by slashes where a part has a dot of its own. The interface's name is
    put in after the split, so that a dot in it does no harm.

    Raises:
        CniError: code 7, if it is outside of net.
    """
    parts = key.split("/") if "/" in key else key.split(".")
    if len(parts) < 2 or parts[0] != "net" or any(part in ("", ".", "..") for part in parts) or "\0" in key:
        raise CniError(INVALID_CONFIG, f"sysctl: {key}: only sysctls below net can be set for a container")
    return "/".join([ifname if part == "IFNAME" else part.replace("IFNAME", ifname, 1) for part in parts[1:]])


def check_allowed(sysctls: dict[str, str], allow_list: Path = ALLOW_LIST) -> None:
    """Refuse a sysctl that the node's allow list does not name; without a list all are allowed.

    Each line is a regular expression that may match anywhere in the key, as in the reference.

    Raises:
        CniError: code 7 for a key that no line matches, code 5 for a list that cannot be read.
    """
    try:
        lines = [line.strip() for line in allow_list.read_text().splitlines() if line.strip()]
        patterns = [re.compile(line) for line in lines]
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError, re.error) as error:
        raise CniError(IO_FAILURE, f"the allow list {allow_list} cannot be used: {error}") from error
    for key in sysctls:
        if not any(pattern.search(key) for pattern in patterns):
            raise CniError(INVALID_CONFIG, f"sysctl: {key} is not on this node's allow list {allow_list}")


def _args_mac(request: Request) -> str | None:
    given = request.args.get("MAC")
    try:
        return parse_mac(given) if given else None
    except ValueError as error:
        raise CniError(INVALID_CONFIG, f"CNI_ARGS: MAC: {error}, came {given!r}") from error
