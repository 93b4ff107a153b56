"""kube-proxy's configuration file -> our settings, for who puts this in kube-proxy's place. Pure.

KubeProxyConfiguration, kubeproxy.config.k8s.io/v1alpha1. What has the same meaning here is taken, in
whatever mode's section it stands; what this proxy has no use for (sizes of caches, Windows, IPVS's
schedulers) is passed over; a key that nobody knows, or one that asks for what is not done here, is told of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cni_spec.json_input import JsonObject

API_VERSION, KIND = "kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|us|µs|ns|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
MODES = ("", "iptables", "ipvs", "nftables")

# kube-proxy's keys of the same meaning: (ours, how its value is ours)
_SAME: dict[str, tuple[str, str]] = {
    "clientConnection.kubeconfig": ("kubeconfig", "text"),
    "clusterCIDR": ("pods", "list"),
    "healthzBindAddress": ("healthz", "listen"),
    "hostnameOverride": ("node", "text"),
    "metricsBindAddress": ("metrics", "listen"),
    "nodePortAddresses": ("nodeport_addresses", "strings"),
    "conntrack.maxPerCore": ("conntrack.max_per_core", "number"),
    "conntrack.min": ("conntrack.min", "number"),
    "conntrack.tcpBeLiberal": ("conntrack.tcp_be_liberal", "flag"),
    "conntrack.tcpCloseWaitTimeout": ("conntrack.tcp_close_wait_timeout", "seconds"),
    "conntrack.tcpEstablishedTimeout": ("conntrack.tcp_established_timeout", "seconds"),
    "conntrack.udpStreamTimeout": ("conntrack.udp_stream_timeout", "seconds"),
    "conntrack.udpTimeout": ("conntrack.udp_timeout", "seconds"),
}
_BY_MODE = {"masqueradeAll": ("masquerade_all", "flag"), "masqueradeBit": ("masquerade_bit", "number")}
# what means nothing here, or what is always so: whole sections by their name, keys by their path
_NO_USE = frozenset(
    {
        "apiVersion", "kind", "mode", "logging", "winkernel", "ipvs", "iptables", "nftables", "detectLocal",
        "detectLocalMode", "bindAddress", "bindAddressHardFail", "clientConnection", "configSyncPeriod",
        "enableProfiling", "featureGates", "oomScoreAdj", "portRange", "showHiddenMetricsForVersion",
        "windowsRunAsService", "udpIdleTimeout", "conntrack.max",
    }
)  # fmt: skip
_IN_NO_USE = {
    "clientConnection": {"kubeconfig", "acceptContentTypes", "burst", "contentType", "qps"},
    "iptables": {"masqueradeAll", "masqueradeBit", "minSyncPeriod", "syncPeriod", "localhostNodePorts"},
    "nftables": {"masqueradeAll", "masqueradeBit", "minSyncPeriod", "syncPeriod"},
    "ipvs": {
        "excludeCIDRs", "minSyncPeriod", "scheduler", "strictARP", "syncPeriod", "tcpFinTimeout",
        "tcpTimeout", "udpTimeout", "masqueradeAll", "masqueradeBit",
    },
    "detectLocal": {"bridgeInterface", "interfaceNamePrefix", "clusterCIDRs", "nodeIPs"},
}  # fmt: skip

# detectLocalMode: (where the interface's name stands, what follows it here)
_BY_INTERFACE = {
    "BridgeInterface": ("detectLocal.bridgeInterface", ""),
    "InterfaceNamePrefix": ("detectLocal.interfaceNamePrefix", "*"),
}


class BadConfiguration(ValueError):
    """A configuration that is none of kube-proxy's; the message names the key."""


@dataclass
class Reading:
    """What was read: `settings` as [proxy] has them, and what there is to say of the rest.

    `detects_by_node`: pods are those of this node's own podCIDRs, which its Node object tells.
    """

    settings: JsonObject = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    mode: str = ""
    detects_by_node: bool = False


def read_configuration(body: JsonObject) -> Reading:
    """Return the settings that a configuration file asks for.

    Raises:
        BadConfiguration: it is of another kind, or a value cannot be used.
    """
    if body.get("kind") != KIND or body.get("apiVersion") != API_VERSION:
        raise BadConfiguration(f"expected kind {KIND} of {API_VERSION}")
    reading = Reading(mode=str(body.get("mode") or ""))
    # kube-proxy's defaults where they are not ours
    reading.settings |= {"healthz": "0.0.0.0:10256", "metrics": "127.0.0.1:10249"}
    if reading.mode not in MODES:
        reading.notes.append(f"mode: {reading.mode!r} is none of this proxy's; it does as nftables does")
    given = dict(_flat(body))
    for key, (ours, form) in _SAME.items():
        if given.get(key) not in (None, "", []):
            _set(reading.settings, ours, _FORMS[form](key, given[key]))
    section = reading.mode or "iptables"
    for key, (ours, form) in _BY_MODE.items():
        if (value := given.get(f"{section}.{key}", given.get(f"iptables.{key}"))) is not None:
            _set(reading.settings, ours, _FORMS[form](f"{section}.{key}", value))
    _note_local_detection(reading, given)
    _choose_node_ports(reading, given)
    reading.notes += [f"{key}: no such key is known; it is ignored" for key in given if not _is_known(key)]
    return reading


def read_duration(key: str, text: object) -> int:
    """Return Go's "24h0m0s" in whole seconds. Raises BadConfiguration."""
    if isinstance(text, str) and text.strip() in ("0", "0s"):
        return 0
    if not isinstance(text, str) or not text or _DURATION.sub("", text):
        raise BadConfiguration(f"{key}: expected a duration as 1h30m, not {text!r}")
    return round(sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text)))


def _flat(body: JsonObject, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield every value with its path; lists are values, and so are sections that are looked at as one."""
    for key, value in body.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and path not in ("logging", "featureGates", "winkernel"):
            yield from _flat(value, f"{path}.")
        else:
            yield path, value


def _is_known(path: str) -> bool:
    section, dot, key = path.partition(".")
    if path in _SAME or (not dot and path in _NO_USE) or path in _NO_USE:
        return True
    return key in _IN_NO_USE.get(section, ())


def _set(settings: JsonObject, path: str, value: object) -> None:
    section, dot, key = path.partition(".")
    if dot:
        inner = settings.setdefault(section, {})
        assert isinstance(inner, dict)
        inner[key] = value
    else:
        settings[path] = value


def _note_local_detection(reading: Reading, given: JsonObject) -> None:
    mode = str(given.get("detectLocalMode") or "ClusterCIDR")
    if mode == "NodeCIDR":
        reading.settings.pop("pods", None)
        reading.detects_by_node = True
    elif mode in _BY_INTERFACE:
        key, end = _BY_INTERFACE[mode]
        name = _text(key, given.get(key) or "")
        if name:
            reading.settings["pod_interface"] = name.removesuffix(end) + end
        else:
            reading.notes.append(f"detectLocalMode: {mode} wants {key}; clusterCIDR tells who is a pod")
    elif mode != "ClusterCIDR":
        reading.notes.append(f"detectLocalMode: {mode!r} is not known; clusterCIDR tells who is a pod")


def _choose_node_ports(reading: Reading, given: JsonObject) -> None:
    """Serve NodePorts where that mode of kube-proxy does, unless it was told where."""
    if "nodeport_addresses" in reading.settings:
        return
    where = ["primary"] if reading.mode == "nftables" else ["all"]
    if reading.mode in ("", "iptables") and given.get("iptables.localhostNodePorts") is True:
        where.append("localhost")
    reading.settings["nodeport_addresses"] = where


def _text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadConfiguration(f"{key}: expected a string, not {value!r}")
    return value


def _list(key: str, value: object) -> list[str]:
    return [one.strip() for one in _text(key, value).split(",") if one.strip()]


def _strings(key: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadConfiguration(f"{key}: expected a list of strings, not {value!r}")
    return list(value)


def _number(key: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadConfiguration(f"{key}: expected a number, not {value!r}")
    return value


def _flag(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise BadConfiguration(f"{key}: expected true or false, not {value!r}")
    return value


def listen_address(default_port: int) -> Callable[[str, object], str]:
    """Return what reads an address to listen at, which kube-proxy takes with a port or without."""

    def read(key: str, value: object) -> str:
        text = _text(key, value)
        bare = text.removeprefix("[").removesuffix("]")
        if ":" not in text or (text.count(":") > 1 and "]:" not in text):
            return f"[{bare}]:{default_port}" if ":" in bare else f"{bare}:{default_port}"
        return text

    return read


def _listen(key: str, value: object) -> str:
    return listen_address(10256 if key.startswith("healthz") else 10249)(key, value)


_FORMS: dict[str, Callable[[str, object], object]] = {
    "text": _text, "list": _list, "strings": _strings, "number": _number, "flag": _flag,
    "seconds": read_duration, "listen": _listen,
}  # fmt: skip
