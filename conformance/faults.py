"""Calls that go wrong: every way of failing that the suite can provoke."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from conformance.calls import Answer, Json
from conformance.case import Attachment, Case, as_numbers
from conformance.clause import Kind

NOWHERE = "/run/netns/not-there"
UNHEARD_OF = "99.0.0"  # a CNI version that nobody has
UNKNOWN_VERB = "FROBNICATE"


@dataclass(frozen=True)
class Fault:
    """One way of failing: a container that is prepared for it, then the call."""

    what: str  # as the beginning of a sentence: "an ADD without CNI_IFNAME"
    ask: Callable[[Case, Attachment], Answer]
    applies: Callable[[Case], bool] = lambda _: True
    prepare: Callable[[Case], Attachment] = lambda case: case.attachment()
    certain: bool = False  # no plugin can do what was asked
    is_read: bool = False  # the configuration was read, its cniVersion is known


def provoked(case: Case) -> Iterator[tuple[Fault, Answer]]:
    """Make the calls that apply to the plugin, one after the other."""
    for fault in FAULTS:
        if fault.applies(case):
            yield fault, fault.ask(case, fault.prepare(case))


# --- to which plugins a fault can happen


def makes_an_interface(case: Case) -> bool:
    """Tell whether an ADD of the plugin makes CNI_IFNAME."""
    return case.kind is Kind.INTERFACE and bool(case.profile.makes)


def _delegates(case: Case) -> bool:
    return case.delegates


def _is_chained(case: Case) -> bool:
    return case.kind is Kind.CHAINED


def _has_netns(case: Case) -> bool:
    return case.kind is not Kind.IPAM


def _has_invalid(case: Case) -> bool:
    return bool(case.profile.invalid)


def _has_check(case: Case) -> bool:
    return as_numbers(case.version) >= as_numbers("0.4.0")


# --- calls


def _with_delegate(**behaviour: Json) -> Callable[[Case, Attachment], Answer]:
    """Return an ADD while the delegate behaves so."""

    def ask(case: Case, attachment: Attachment) -> Answer:
        case.delegate.behave(**behaviour)
        try:
            return case.ask("ADD", attachment)
        finally:
            case.delegate.behave()

    return ask


def _with_variable(**variables: str | None) -> Callable[[Case, Attachment], Answer]:
    return lambda case, attachment: case.ask("ADD", attachment, env=variables)


def _add(case: Case, attachment: Attachment) -> Answer:
    return case.ask("ADD", attachment)


def _with_taken_name(case: Case) -> Attachment:
    attachment = case.attachment()
    peer = ("type", "veth", "peer", "name", "other0")
    case.do("ip", "link", "add", attachment.ifname, *peer, netns=attachment.netns.path)
    return attachment


def _into_a_file(case: Case, attachment: Attachment) -> Answer:
    plain = Path(case.folder, "plain-file")
    plain.write_text("")
    return case.ask("ADD", attachment, env={"CNI_NETNS": str(plain)})


def _invalid(case: Case, attachment: Attachment) -> Answer:
    return case.ask("ADD", attachment, config=case.config(attachment, case.profile.invalid[0]))


def _ending_early(case: Case, attachment: Attachment) -> Answer:
    whole = json.dumps(case.config(attachment)).encode()
    return case.ask("ADD", attachment, stdin=whole[: len(whole) // 2])


def _of_unheard_version(case: Case, attachment: Attachment) -> Answer:
    return case.ask("ADD", attachment, config=case.config(attachment) | {"cniVersion": UNHEARD_OF})


def _check_of_nothing(case: Case, attachment: Attachment) -> Answer:
    config = case.config(attachment)
    config.pop("prevResult", None)
    return case.ask("CHECK", attachment, config=config)


# --- faults


NONSENSE: Json = {"ips": [{"address": "10.91.77.0/99", "gateway": "10.91.0.1", "version": "4"}]}
REFUSED_ROUTE: Json = {"routes": [{"dst": "198.51.100.0/24", "gw": "224.0.0.5"}]}  # no gateway is a group

ENDS_EARLY = Fault("an ADD whose configuration ends early", _ending_early, certain=True)
INVALID_CONFIG = Fault("an ADD with an invalid configuration", _invalid, _has_invalid, is_read=True)
NAME_IS_TAKEN = Fault(
    "an ADD for an interface that is there", _add, makes_an_interface, _with_taken_name, is_read=True
)
NAME_IS_MISSING = Fault(
    "an ADD for an interface that is not there", _with_variable(CNI_IFNAME="absent0"), _is_chained
)
NETNS_IS_MISSING = Fault(
    "an ADD into a namespace that is not there", _with_variable(CNI_NETNS=NOWHERE), _has_netns
)
NETNS_IS_A_FILE = Fault("an ADD into a plain file", _into_a_file, _has_netns)
DELEGATE_FAILS = Fault(
    "an ADD whose delegate fails",
    _with_delegate(ADD={"code": 111, "msg": "the judge has no address left"}),
    _delegates,
    is_read=True,
)
NO_ADDRESS = Fault(
    "an ADD whose delegate gives what is no address", _with_delegate(result=NONSENSE), _delegates
)
NO_ROUTE = Fault(
    "an ADD whose delegate gives a route that the kernel refuses",
    _with_delegate(result=REFUSED_ROUTE),
    _delegates,
)
FAULTS = (
    ENDS_EARLY,
    Fault(f"an ADD of CNI version {UNHEARD_OF}", _of_unheard_version),
    Fault("an ADD without CNI_IFNAME", _with_variable(CNI_IFNAME=None)),
    Fault(f"the command {UNKNOWN_VERB}", _with_variable(CNI_COMMAND=UNKNOWN_VERB)),
    INVALID_CONFIG,
    Fault("a CHECK without prevResult", _check_of_nothing, _has_check, is_read=True),
    NAME_IS_TAKEN,
    replace(NETNS_IS_MISSING, applies=makes_an_interface, certain=True),
    DELEGATE_FAILS,
)
