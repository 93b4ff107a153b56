"""/etc/podwire/agent.toml: what a node's owner may choose.

[agent]    idle, workers, queue, deadline; start (read by the fallback: may it start an agent?)
[overlay]  registry and more (`overlay.settings`)
[proxy]    the service proxy (`service_proxy.settings`)
[dns]      the DNS server of services (the same)
[runner]   pods on this node (`pod_runner.node.settings`)
[metrics]  listen = "127.0.0.1:9453" or "unix:/run/podwire/metrics.sock"
[log]      to (read by `cni_plugins.journal`)
"""

from __future__ import annotations

import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from cni_plugins.journal import AGENT_CONFIG
from cni_spec.config import SpecModel, validate
from cni_spec.errors import INVALID_CONFIG, IO_FAILURE, CniError
from overlay.settings import OverlaySettings
from pod_runner.node.settings import RunnerSettings
from service_proxy.settings import DnsSettings, ProxySettings


def check_listen(text: str) -> str:
    """Accept a path of a Unix socket or a port of loopback, and nothing that others could reach."""
    if text.startswith("unix:/") or not text:
        return text
    host, colon, port = text.rpartition(":")
    try:
        is_fine = bool(colon) and ip_address(host.strip("[]")).is_loopback and 0 < int(port) < 65536
    except ValueError:
        is_fine = False
    if not is_fine:
        raise ValueError('expected "unix:/PATH" or "127.0.0.1:PORT"')
    return text


class AgentSettings(SpecModel):
    """How the agent works. Times in seconds; `idle` 0: it stays."""

    start: bool = True
    idle: Annotated[float, Field(ge=0, strict=False)] = 600.0
    workers: Annotated[int, Field(ge=1, le=64)] = 8
    queue: Annotated[int, Field(ge=1, le=10_000)] = 256
    deadline: Annotated[float, Field(gt=0, le=140, strict=False)] = 110.0


class MetricsSettings(SpecModel):
    """Where metrics are served; "" is nowhere."""

    listen: Annotated[str, AfterValidator(check_listen)] = ""


class LogSettings(SpecModel):
    """Where requests are told of: "journald", or a file's path."""

    to: str = ""


class Settings(SpecModel):
    """The whole file."""

    agent: AgentSettings = AgentSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()
    overlay: OverlaySettings = OverlaySettings()
    proxy: ProxySettings = ProxySettings()
    dns: DnsSettings = DnsSettings()
    runner: RunnerSettings = RunnerSettings()


def read_settings(path: Path = AGENT_CONFIG) -> Settings:
    """Return the node's settings; without a file the defaults.

    Raises:
        CniError: the file cannot be read, or says what nobody understands; the message names the key.
    """
    try:
        body = tomllib.loads(path.read_text())
    except FileNotFoundError:  # most nodes have none
        return Settings()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CniError(IO_FAILURE, f"{path}: {error}") from error
    _refuse_unknown(path, body)
    try:
        return validate(Settings, body)
    except CniError as error:
        raise CniError(INVALID_CONFIG, f"{path}: {error.msg}", error.details) from error


def read_chosen_settings(path: Path) -> Settings:
    """Return the settings of a file that somebody has named, and means to be there; the usual one need not.

    Raises:
        CniError: as `read_settings`, and if there is none.
    """
    if path != AGENT_CONFIG and not path.exists():
        raise CniError(IO_FAILURE, f"{path}: there is no such file")
    return read_settings(path)


def _refuse_unknown(path: Path, body: dict[str, object]) -> None:
    for section, keys in body.items():
        field = Settings.model_fields.get(section)
        if field is None or not isinstance(keys, dict):
            raise CniError(INVALID_CONFIG, f"{path}: there is no section [{section}]")
        known = field.annotation.model_fields if field.annotation else {}
        for key in keys:
            if key not in known:
                raise CniError(INVALID_CONFIG, f"{path}: [{section}] has no key {key!r}")
