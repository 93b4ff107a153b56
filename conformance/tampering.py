"""What others may undo behind a plugin's back: commands of its profile, and what its result lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from conformance.case import Attachment, Case
from conformance.profile import filled
from conformance.world.given import UPLINK
from conformance.world.looking import links

Json = dict[str, Any]
SHARED_KINDS = ("bridge", "vxlan")  # links on the host that many containers have in common


@dataclass(frozen=True)
class Tampering:
    """One command that undoes something; `inside` the container's namespace, or on the host."""

    words: tuple[str, ...]
    inside: bool

    def __str__(self) -> str:
        return f"`{' '.join(self.words)}` {'in the container' if self.inside else 'on the host'}"


def tamperings(case: Case) -> list[Tampering]:
    """Return the profile's commands, with their places still to be filled."""
    return [Tampering(tuple(words), False) for words in case.profile.tampering] + [
        Tampering(tuple(words), True) for words in case.profile.tampering_inside
    ]


def tamper(case: Case, attachment: Attachment, one: Tampering) -> Tampering:
    """Run a command, and return it with its places filled."""
    made = replace(one, words=tuple(filled(one.words, places(case, attachment))))
    case.do(*made.words, netns=attachment.netns.path if made.inside else "")
    return made


def places(case: Case, attachment: Attachment) -> dict[str, str]:
    """Return what the places of a command stand for: @host@ is the interface's other end, if it has one."""
    ours = own_addresses(attachment, attachment.result or {})
    four = next((one for one in ours if ":" not in one), "")
    six = next((one for one in ours if ":" in one), "")
    return {
        "state": str(case.folder / "state"), "uplink": UPLINK, "network": attachment.network,
        "given": f"given{attachment.netns.name.removeprefix('pod')}", "ifname": attachment.ifname,
        "container": attachment.container, "host": next(iter(own_host_ends(attachment)), ""),
        "address": four.partition("/")[0], "address6": six.partition("/")[0],
    }  # fmt: skip


def own_host_ends(attachment: Attachment) -> list[str]:
    """Return the interfaces on the host that the result lists and that are this attachment's alone."""
    listed = (attachment.result or {}).get("interfaces") or []
    here = links()
    names = [one["name"] for one in listed if not one.get("sandbox") and one["name"] in here]
    return [name for name in names if here[name].get("linkinfo", {}).get("info_kind") not in SHARED_KINDS]


def own_addresses(attachment: Attachment, result: Json) -> list[str]:
    """Return the addresses that a result of any version gives to the attachment's interface."""
    old = [result[key]["ip"] for key in ("ip4", "ip6") if isinstance(result.get(key), dict)]
    interfaces: Sequence[Json] = result.get("interfaces") or ()
    ours = {None, -1} | {
        at for at, one in enumerate(interfaces) if one.get("name") == attachment.ifname and one.get("sandbox")
    }
    return old + [one["address"] for one in result.get("ips") or () if one.get("interface") in ours]


def routes_of(result: Json) -> list[Json]:
    """Return the routes of a result of any version."""
    old = [route for key in ("ip4", "ip6") for route in (result.get(key) or {}).get("routes") or ()]
    return old + list(result.get("routes") or ())
