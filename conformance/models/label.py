"""A good chained plugin: for each address of the container, an nftables rule with a label, which counts.

All that it makes is in the table `inet judge_label`; it keeps no files. A rule's comment is made of hashes of
the network's name and of the container and interface, so that names of any length fit, and DEL and GC find
it without a namespace and without `prevResult`. Configuration: `family` ("inet" is the only one).
"""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from typing import Any

from conformance.models.common_parts import (
    DIFFERS,
    IN_THE_WAY,
    NO_INTERFACE,
    UNSUPPORTED,
    WRONG_CONFIG,
    CniError,
    Request,
    answer,
)
from conformance.models.kernel import links, run
from conformance.models.result_forms import family

Json = dict[str, Any]
CHAIN = ("inet", "judge_label", "labels")
# Counts what is forwarded, and decides nothing
SKELETON = """add table inet judge_label
add chain inet judge_label labels { type filter hook forward priority 10; policy accept; }
"""


def main() -> int:
    """Answer one call."""
    return answer({"ADD": add, "DEL": remove, "CHECK": check, "STATUS": status, "GC": collect})


# --- the verbs


def add(request: Request) -> Json:
    """Label each address of the interface; the result is what the plugins before gave, as it was."""
    previous = _judge(request)
    owner = _owner_of(request)
    if _labels(owner):
        raise CniError(IN_THE_WAY, f"{request.container} has labels for {request.ifname}; DEL first")
    rules = [
        f'add rule {" ".join(CHAIN)} {_word(address)} saddr {address} counter comment "{owner}"\n'
        for address in _addresses(request, previous)
    ]
    run("nft", "-f", "-", stdin=SKELETON + "".join(rules))
    return previous


def remove(request: Request) -> None:
    """Remove the labels of the attachment, wherever its namespace is."""
    _remove(_labels(_owner_of(request)))


def check(request: Request) -> None:
    """Compare the labels with the addresses that `prevResult` names."""
    previous = _judge(request)
    there = {_address_in(rule) for rule in _labels(_owner_of(request))}
    missing = [one for one in _addresses(request, previous) if one not in there]
    if missing:
        raise CniError(DIFFERS, f"the labels of {' and '.join(missing)} are missing")


def status(request: Request) -> None:
    """Tell whether nftables can be used, which is all that an ADD needs."""
    _labels("")


def collect(request: Request) -> None:
    """Remove the labels of this network whose attachment is not listed; without a list, none."""
    valid = request.valid_attachments()
    if valid is None:
        return
    kept = {_owner(request.network, one["containerID"], one["ifname"]) for one in valid}
    ours = _owner(request.network, "", "").partition("/")[0]
    _remove([rule for rule in _labels(f"{ours}/") if rule["comment"] not in kept])


# --- what is asked


def _judge(request: Request) -> Json:
    """Return `prevResult`; refuse what cannot be labelled."""
    wanted = request.config.get("family", "inet")
    if not isinstance(wanted, str):
        raise CniError(WRONG_CONFIG, f"family is {wanted!r}; it is a word")
    if wanted != "inet":
        raise CniError(UNSUPPORTED, f"family is {wanted}; this plugin has inet alone")
    if request.previous is None:
        raise CniError(WRONG_CONFIG, "prevResult is missing; labels are for what a plugin before gave")
    if request.ifname not in links(request.netns):
        raise CniError(NO_INTERFACE, f"CNI_IFNAME is {request.ifname}, which is not in {request.netns}")
    return request.previous


def _addresses(request: Request, previous: Json) -> list[str]:
    """Return the addresses of CNI_IFNAME; those that name no interface count as its."""
    ours = {None, -1} | {
        at
        for at, one in enumerate(previous["interfaces"])
        if one.get("name") == request.ifname and one.get("sandbox")
    }
    return [one["address"].partition("/")[0] for one in previous["ips"] if one.get("interface") in ours]


def _owner_of(request: Request) -> str:
    return _owner(request.network, request.container, request.ifname)


def _owner(network: str, container: str, ifname: str) -> str:
    """Return the comment of an attachment's rules; what is before the / is the network's."""
    return "/".join(sha256(one.encode()).hexdigest()[:32] for one in (network, f"{container} {ifname}"))


# --- the rules


def _labels(prefix: str) -> list[Json]:
    """Return the rules whose comment begins so."""
    chains = json.loads(run("nft", "-j", "list", "chains", CHAIN[0]))["nftables"]
    if not any(one.get("chain", {}).get("table") == CHAIN[1] for one in chains):
        return []
    listed = json.loads(run("nft", "-j", "list", "chain", *CHAIN))["nftables"]
    rules = [one["rule"] for one in listed if "rule" in one]
    return [rule for rule in rules if rule.get("comment", "").startswith(prefix)]


def _address_in(rule: Json) -> str:
    """Return the address that a rule matches."""
    return next((str(part["match"]["right"]) for part in rule["expr"] if "match" in part), "")


def _remove(rules: list[Json]) -> None:
    """Delete rules in one transaction."""
    words = " ".join(CHAIN)
    if rules:
        run("nft", "-f", "-", stdin="".join(f"delete rule {words} handle {one['handle']}\n" for one in rules))


def _word(address: str) -> str:
    return "ip6" if family(address) == "6" else "ip"


if __name__ == "__main__":
    sys.exit(main())
