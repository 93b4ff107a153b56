"""What a person writes after --for, for ports, for keys: read, or refused with the form that is expected."""

from __future__ import annotations

import pytest

from cni_spec.errors import CniError
from pod_runner.cluster.bodies import JsonObject, with_member
from pod_runner.cluster.objects import Object, ref_of_body
from podwire.cluster.conditions import parse_wish
from podwire.cluster.forwarding import Wish, pods_port, read_wish
from podwire.cluster.outline import Fact, Line, outline, part
from podwire.cluster.terminal import DetachKeys
from tests.cli.cluster.bodies_of import pod, true

POD = pod(
    "a", conditions=[true("Ready"), {"type": "Initialized", "status": "False"}], podIPs=[{"ip": "10.1.0.1"}]
)


@pytest.mark.parametrize(
    ("said", "holds", "holds_of_none"),
    [
        ("delete", False, True), ("create", True, False),
        ("condition=Ready", True, False), ("condition=ready=false", False, False),
        ("condition=Initialized=False", True, False), ("condition=Other", False, False),
        ("jsonpath={.status.phase}=Running", True, False), ("jsonpath='{.status.phase}'=Done", False, False),
        ("jsonpath={.status.podIPs[0].ip}=10.1.0.1", True, False),
        ("jsonpath={.status.podIPs[3]}", False, False),
        ("jsonpath={.spec.nodeName}", True, False), ("jsonpath=.spec.nothing", False, False),
    ],
)  # fmt: skip
def test_a_wish_holds_or_not(said: str, holds: bool, holds_of_none: bool) -> None:
    wish = parse_wish(said)
    assert wish.holds(Object(ref_of_body(POD), POD)) is holds
    assert wish.holds(None) is holds_of_none


@pytest.mark.parametrize(
    "said", ["", "ready", "condition", "condition=", "jsonpath=", "jsonpath={a b}", "delete=1"]
)
def test_another_wish_is_refused(said: str) -> None:
    with pytest.raises(CniError, match="expected delete"):
        parse_wish(said)


@pytest.mark.parametrize(
    ("said", "wish"),
    [
        ("80", Wish(None, "80")), ("8080:80", Wish(8080, "80")), (":80", Wish(0, "80")),
        ("8080:http", Wish(8080, "http")), ("http", Wish(0, "http")),
    ],
)  # fmt: skip
def test_ports_are_read(said: str, wish: Wish) -> None:
    assert read_wish(said) == wish


@pytest.mark.parametrize("said", ["", ":", "80:", "99999:80", "a:80", "80:80:80"])
def test_what_is_no_port_is_refused(said: str) -> None:
    with pytest.raises(CniError, match="LOCAL"):
        read_wish(said)


def test_a_services_port_leads_to_the_pods_own() -> None:
    named: JsonObject = {"containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8000}]}]}
    body = with_member(POD, named, "spec")
    service: JsonObject = {
        "kind": "Service", "metadata": {"name": "s"},
        "spec": {"ports": [{"name": "web", "port": 80, "targetPort": "http"}, {"port": 81}]},
    }  # fmt: skip
    assert [pods_port(one, service, body) for one in ("80", "web", "81")] == [8000, 8000, 81]
    assert [pods_port(one, body, body) for one in ("80", "http")] == [80, 8000]
    for by, remote in ((service, "82"), (body, "nothing"), (body, "70000")):
        with pytest.raises(CniError, match=f"has no port {remote}"):
            pods_port(remote, by, body)


def test_an_outline_has_columns_of_neighbours_and_nothing_empty() -> None:
    lines: list[Line] = [
        Fact("Name", "a"),
        Fact("Nothing", ""),
        part("Below", [Fact("Longer", "b\nc"), "text"]),
        part("None", []),
    ]
    assert outline(lines) == ["Name:  a", "Below:", "  Longer:  b", "           c", "  text"]


@pytest.mark.parametrize("pieces", [[b"ab\x10\x11c"], [b"ab\x10", b"\x11"], [b"a", b"b", b"\x10", b"\x11"]])
def test_two_keys_let_go_also_one_by_one(pieces: list[bytes]) -> None:
    keys = DetachKeys()
    taken = [keys.take(one) for one in pieces]
    assert b"".join(data for data, _ in taken) == b"ab" and [struck for _, struck in taken][-1]


def test_one_of_the_keys_alone_is_handed_on() -> None:
    keys = DetachKeys()
    assert [keys.take(one) for one in (b"a\x10", b"b")] == [(b"a", False), (b"\x10b", False)]
