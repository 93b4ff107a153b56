"""Mutants of the clauses in datapath/: plugins that attach well, and then some packets go astray.

Most add one nftables rule that is the same for every container, so that nothing more is left after a DEL.
What a profile promises, they forget by leaving the keys out that ask for it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

from conformance.clause import Kind
from conformance.mutants.memory import netns_of
from conformance.mutants.mutant import Asked, Given, Good, Mutant
from conformance.profile import changed, shipped_profiles

Act = Callable[[Asked, Good], Given]
INTERFACE, NOT_IPAM = frozenset({Kind.INTERFACE}), frozenset({Kind.INTERFACE, Kind.CHAINED})
PODS, UPLINK = "10.0.0.0/8", "up0"  # world/given.py
HOST = "192.0.2.1"
STRANGER = "10.91.255.251"  # of the containers' network (models/recording_ipam.py), and nobody's
PORTS = "8000-32000"  # of host ports in profiles
HAIRPIN = "0x88b6"  # datapath/frames.py, OTHER_EXPERIMENT


def astray(family: str, hook: str, rule: str) -> Act:
    """Attach, then filter: `hook` is a base chain's type, hook and priority."""

    def act(asked: Asked, good: Good) -> Given:
        given = good(asked)
        if asked.verb == "ADD" and not given.status:
            _nft(f"table {family} mutant\ndelete table {family} mutant\n{_table(family, hook, rule)}")
        return given

    return act


def forgets(promise: str) -> Act:
    """Leave out the keys that ask for a promise."""

    def act(asked: Asked, good: Good) -> Given:
        asks = _changes(asked, promise)
        if not asks.keys() & asked.config.keys():
            return good(asked)
        return good(asked.with_config({key: value for key, value in asked.config.items() if key not in asks}))

    return act


def gives_more(key: str) -> Act:
    """Allow twice the rate that a promise's configuration asks for."""

    def act(asked: Asked, good: Good) -> Given:
        rate, config = _changes(asked, "bandwidth").get(key), asked.config
        return good(
            asked.with_config(config | {key: 2 * rate}) if rate and config.get(key) == rate else asked
        )

    return act


def checks_macs_alone(asked: Asked, good: Good) -> Given:
    """Forget what stops false addresses, and stop false MAC addresses by a rule for each port."""
    asks = _changes(asked, "spoof-mac")
    if not _asks_for(asked.config, asks):
        return good(asked)
    given = forgets("spoof-mac")(asked, good)
    links = given.document.get("interfaces", []) if asked.verb == "ADD" and not given.status else []
    macs = [one["mac"] for one in links if one.get("sandbox")]
    for one in links:
        if not one.get("sandbox") and macs:
            rule = f'iifname "{one["name"]}" ether saddr != {macs[0]} drop'
            _nft(_table("bridge", "filter hook prerouting priority -300", rule))
    return given


def is_too_small(asked: Asked, good: Good) -> Given:
    """Give one byte less than a promise's configuration asks for."""
    given = good(asked)
    wanted = _changes(asked, "mtu").get("mtu")
    if asked.verb == "ADD" and not given.status and wanted and asked.config.get("mtu") == wanted:
        variables = asked.environment
        words = ("ip", "link", "set", variables["CNI_IFNAME"], "mtu", str(wanted - 1))
        _run("nsenter", f"--net={variables['CNI_NETNS']}", *words)
    return given


def spares_a_closed_firewall(asked: Asked, good: Good) -> Given:
    """Drop datagrams where the host's policy is to forward nothing."""
    given = good(asked)
    listed = _run("nft", "list", "chain", "ip", "filter", "FORWARD")
    if asked.verb == "ADD" and "policy drop" in listed:
        astray("inet", "filter hook forward priority 20", "meta l4proto udp drop")(asked, lambda _: given)
    return given


def is_deaf_to_itself(asked: Asked, good: Good) -> Given:
    """Drop a container's own datagrams, until DEL."""
    if asked.verb == "DEL" and netns_of(asked):
        _inside(asked, "table inet mutant\ndelete table inet mutant\n")
    given = good(asked)
    if asked.verb == "ADD" and not given.status:
        _inside(asked, _table("inet", "filter hook input priority 0", 'iifname "lo" meta l4proto udp drop'))
    return given


def own_host_port(mine: bool) -> Act:
    """Drop datagrams for host ports: the container's own, or those of all other containers."""

    def act(asked: Asked, good: Good) -> Given:
        given = good(asked)
        if not _asks_for_host_ports(asked):
            return given
        _nft("table inet mutant\ndelete table inet mutant\n")
        found = given.document.get("ips", []) if asked.verb == "ADD" and not given.status else []
        for own in [one["address"].partition("/")[0] for one in found if "." in one["address"]]:
            who = own if mine else f"!= {own} ip saddr {PODS}"
            _nft(_table("inet", BEFORE_NAT, f"ip saddr {who} udp dport {PORTS} drop"))
        return given

    return act


def _asks_for_host_ports(asked: Asked) -> bool:
    supplied = asked.config.get("runtimeConfig")
    is_told = isinstance(supplied, dict) and bool(supplied.get("portMappings"))
    return is_told and asked.verb in ("ADD", "DEL")


def _changes(asked: Asked, promise: str) -> dict[str, Any]:
    profile = shipped_profiles().get(str(asked.config.get("type")))
    return dict(profile.promises.get(promise, {})) if profile else {}


def _asks_for(config: dict[str, Any], changes: dict[str, Any]) -> bool:
    return bool(changes) and changed(config, changes) == config


def _table(family: str, hook: str, rule: str) -> str:
    return f"table {family} mutant {{\n chain one {{\n type {hook};\n {rule}\n }}\n}}\n"


def _nft(text: str) -> None:
    _run("nft", "-f", "-", stdin=text)


def _inside(asked: Asked, text: str) -> None:
    _run("nsenter", f"--net={asked.environment.get('CNI_NETNS', '')}", "nft", "-f", "-", stdin=text)


def _run(*words: str, stdin: str = "") -> str:
    """Run a program, wherever it is, whatever comes of it."""
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(words, input=stdin, text=True, capture_output=True, check=False, env=path)
    return done.stdout


def _host_port(chain: str, *match: str) -> Act:
    return astray("inet", chain, " ".join((*match, f"udp dport {PORTS}", "drop")))


def loses_peers_echoes(asked: Asked, good: Good) -> Given:
    """Drop echoes between containers, those that a bridge forwards and those that are routed."""
    bridged = astray("bridge", FORWARD, "ip protocol icmp drop")
    routed = astray("inet", FORWARD, f'iifname != "{UPLINK}" oifname != "{UPLINK}" ip protocol icmp drop')
    return bridged(asked, lambda call: routed(call, good))


FORWARD = "filter hook forward priority 0"
LARGE_ECHO = f"ip saddr {PODS} icmp type echo-request meta length > 2000 drop"
UNTRACKED = f"ip saddr {PODS} ip daddr 192.0.2.0/24 ip daddr != {HOST} meta l4proto udp notrack"
UNTRACKED_YET = "filter hook prerouting priority raw"
BEFORE_NAT = "filter hook prerouting priority mangle"  # after fragments are put together
LEAVING = "filter hook output priority raw"
MUTANTS = (
    Mutant(
        "datapath-host",
        "large",
        "the host drops large echoes of containers",
        INTERFACE,
        astray("inet", "filter hook input priority 0", LARGE_ECHO),
    ),
    Mutant(
        "datapath-peers",
        "echo",
        "echoes between containers are lost",
        INTERFACE,
        loses_peers_echoes,
    ),
    Mutant(
        "datapath-segment",
        "echo",
        "echoes to the uplink's neighbours are lost",
        INTERFACE,
        astray("bridge", FORWARD, f'oifname "{UPLINK}" ip protocol icmp drop'),
    ),
    Mutant(
        "datapath-outside",
        "echo",
        "echoes to the outside are lost",
        NOT_IPAM,
        astray("inet", FORWARD, f'oifname "{UPLINK}" ip protocol icmp drop'),
    ),
    Mutant(
        "datapath-forward", "closed", "a closed firewall stays closed", NOT_IPAM, spares_a_closed_firewall
    ),
    Mutant("datapath-mtu", "small", "the MTU is a byte too small", INTERFACE, is_too_small),
    Mutant("datapath-loopback", "deaf", "datagrams to itself are lost", INTERFACE, is_deaf_to_itself),
    Mutant(
        "datapath-masquerade",
        "untracked",
        "datagrams keep the container's address",
        INTERFACE,
        astray("inet", UNTRACKED_YET, UNTRACKED),
    ),
    Mutant(
        "datapath-no-masquerade",
        "hides",
        "the host sees containers by another address",
        INTERFACE,
        astray(
            "inet", "nat hook input priority 100", f"ip saddr {PODS} meta l4proto udp snat ip to {STRANGER}"
        ),
        frozenset({"datapath-host"}),  # whose datagrams then have no way back
    ),
    Mutant(
        "datapath-spoof-mac",
        "forgets",
        "macspoofchk and its like are forgotten",
        INTERFACE,
        forgets("spoof-mac"),
        also=frozenset({"datapath-spoof-address"}),  # where one key asks for both
    ),
    Mutant(
        "datapath-spoof-address", "mac-alone", "only MAC addresses are checked", INTERFACE, checks_macs_alone
    ),
    Mutant("datapath-isolation", "forgets", "isolation is forgotten", INTERFACE, forgets("isolation")),
    Mutant(
        "datapath-hairpin",
        "swallows",
        "what would come back is swallowed",
        INTERFACE,
        astray("bridge", "filter hook prerouting priority 0", f"ether type {HAIRPIN} drop"),
    ),
    Mutant(
        "datapath-hostport-outside",
        "udp",
        "datagrams from outside are lost",
        NOT_IPAM,
        _host_port(BEFORE_NAT, f'iifname "{UPLINK}"'),
    ),
    Mutant(
        "datapath-hostport-host",
        "udp",
        "datagrams of the host are lost",
        NOT_IPAM,
        _host_port(LEAVING, f"ip daddr {HOST}"),
    ),
    Mutant(
        "datapath-hostport-loopback",
        "udp",
        "datagrams at 127.0.0.1 are lost",
        NOT_IPAM,
        _host_port(LEAVING, "ip daddr 127.0.0.1"),
    ),
    Mutant("datapath-hostport-self", "udp", "its own datagrams are lost", NOT_IPAM, own_host_port(True)),
    Mutant(
        "datapath-hostport-peer",
        "udp",
        "other containers' datagrams are lost",
        NOT_IPAM,
        own_host_port(False),
    ),
    Mutant("datapath-bandwidth-in", "twice", "twice as much comes in", NOT_IPAM, gives_more("ingressRate")),
    Mutant("datapath-bandwidth-out", "twice", "twice as much goes out", NOT_IPAM, gives_more("egressRate")),
)
