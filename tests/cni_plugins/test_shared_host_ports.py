"""portmap with shareHostPorts: several containers behind one port of the host."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from threading import Thread

import pytest

from tests.calls import Container, Json, Plugins, StoppingKernel, dump, ip_json, run
from tests.cni_plugins.test_portmap import (
    BRIDGE,
    PORT,
    UDP,
    MakeContainer,
    ask,
    outside,
    portmap,
    serve,
)

__all__ = ["outside", "serve"]  # fixtures
NAMES = ("one", "two", "three")
MAPS = ("hostport_slots4", "hostport_slots6", "hostport4", "hostport6")


def shared(result: Json, *ports: Json, **keys: object) -> Json:
    """Return a configuration that shares its ports."""
    return portmap(result, *ports, shareHostPorts=True, **keys)


def parts(name: str = "hostport_slots4") -> Counter[str]:
    """Return how many elements of a map each container has."""
    shown = json.loads(run(["nft", "-j", "list", "map", "inet", "podwire", name]))["nftables"]
    elements = next(one["map"] for one in shown if "map" in one).get("elem", [])
    return Counter(part[0]["elem"]["comment"].split()[1] for part in elements)


@pytest.fixture
def trio(container: MakeContainer, plugins: Plugins) -> dict[str, tuple[Container, Json]]:
    """Make three containers on one network."""
    made = {name: container(name) for name in NAMES}
    return {name: (one, plugins.add(BRIDGE, one)) for name, one in made.items()}


def test_connections_are_spread_and_del_of_one_leaves_the_others(
    trio: dict[str, tuple[Container, Json]], plugins: Plugins, serve: Callable[..., None], outside: str
) -> None:
    before = dump()
    for one, result in trio.values():
        serve(one, "tcp", 80)
        plugins.add(shared(result, PORT), one)
    assert sorted(parts().values()) == [21, 21, 22] == sorted(parts("hostport_slots6").values())
    seen = Counter(ask("192.0.2.1", inside="outside").split()[0] for _ in range(24))
    assert set(seen) == set(NAMES), seen
    assert ask("fd02::1", inside="outside").split()[0] in NAMES
    assert ask("127.0.0.1").split()[0] in NAMES
    assert all(plugins.check(shared(result, PORT), one, result) == "" for one, result in trio.values())
    holder = next(iter(parts("hostport4")))
    one, result = trio[holder]
    plugins.delete(shared(result, PORT), one)
    assert parts() == {name: 32 for name in NAMES if name != holder} and sum(parts("hostport4").values()) == 1
    seen = Counter(ask("192.0.2.1", inside="outside").split()[0] for _ in range(12))
    assert holder not in seen and "no" not in seen
    for name, (other, result) in trio.items():
        plugins.delete(shared(result, PORT), other)
        plugins.delete(shared(result, PORT), other)
        if name == "two":
            break
    assert sum(parts().values()) in (0, 64)
    for other, result in trio.values():
        plugins.delete(shared(result, PORT), other)
    assert {line for line in dump() - before if "podwire" not in line} == set()
    assert not any(parts(name) for name in MAPS)


def test_a_port_is_shared_only_by_those_who_want_to(
    trio: dict[str, tuple[Container, Json]], plugins: Plugins, container: MakeContainer
) -> None:
    (one, first), (two, second), (three, third) = trio.values()
    plugins.add(shared(first, PORT), one)
    before = dump()
    error = plugins.fails("ADD", portmap(second, PORT), two)
    assert error["code"] == 104 and "container one of network net1" in error["msg"]
    error = plugins.fails("ADD", {**shared(third, UDP, PORT), "name": "net2"}, three)
    assert error["code"] == 104 and "network net1 alone" in error["msg"]
    assert dump() == before
    plugins.add(portmap(second, {**PORT, "hostPort": 81}), two)
    error = plugins.fails("ADD", shared(third, {**PORT, "hostPort": 81}), three)
    assert error["code"] == 104 and "container two" in error["msg"] and "does not share" in error["msg"]
    for keys in ({"backend": "iptables"}, {"conditionsV4": ["ip", "saddr", "192.0.2.9"]}):
        assert plugins.fails("ADD", shared(third, PORT, **keys), three)["code"] == 7


def test_udp_clients_stay_where_they_are_when_others_come_and_follow_when_theirs_goes(
    trio: dict[str, tuple[Container, Json]], plugins: Plugins, serve: Callable[..., None], outside: str
) -> None:
    (one, first), (two, second), _ = trio.values()
    serve(one, "udp", 53)
    serve(two, "udp", 53)
    assert "no answer" in ask("192.0.2.1", 5353, "udp", inside="outside", source=4000)
    plugins.add(shared(first, UDP), one)
    assert ask("192.0.2.1", 5353, "udp", inside="outside", source=4000).startswith("one ")
    plugins.add(shared(second, UDP), two)
    for _ in range(5):
        assert ask("192.0.2.1", 5353, "udp", inside="outside", source=4000).startswith("one ")
    plugins.delete(shared(first, UDP), one)
    assert ask("192.0.2.1", 5353, "udp", inside="outside", source=4000).startswith("two ")


def test_a_port_of_one_address_is_shared_there_alone(
    trio: dict[str, tuple[Container, Json]], plugins: Plugins, serve: Callable[..., None], outside: str
) -> None:
    (one, first), (two, second), _ = trio.values()
    port = {**PORT, "hostIP": "192.0.2.1"}
    for each, result in ((one, first), (two, second)):
        serve(each, "tcp", 80)
        plugins.add(shared(result, port), each)
    assert parts("hostport_slots_at4") == {"one": 32, "two": 32} and not parts()
    assert ask("192.0.2.1", inside="outside").split()[0] in NAMES
    assert "no answer" in ask("10.88.0.1", inside="outside")


def test_gc_hands_over_what_stale_containers_had(
    trio: dict[str, tuple[Container, Json]], plugins: Plugins
) -> None:
    for one, result in trio.values():
        plugins.add(shared(result, PORT), one)
    (_, result), valid = trio["two"], [{"containerID": "two", "ifname": "eth0"}]
    config = shared(result) | {"cniVersion": "1.1.0", "cni.dev/valid-attachments": valid}
    given = plugins.ask("GC", config, None)
    assert given.status == 0, given.stdout
    assert [parts(name) for name in MAPS] == [{"two": 64}, {"two": 64}, {"two": 1}, {"two": 1}]


@pytest.mark.parametrize("lost", ["hostport_slots4", "hostport6"])
def test_check_notices_what_is_gone_and_the_next_add_mends_it(
    trio: dict[str, tuple[Container, Json]], plugins: Plugins, lost: str
) -> None:
    (one, first), (two, second), _ = trio.values()
    plugins.add(shared(first, PORT), one)
    run(["nft", "flush", "map", "inet", "podwire", lost])
    assert "host port tcp 8080" in plugins.check(shared(first, PORT), one, first)
    if lost == "hostport6":
        plugins.add(shared(second, PORT), two)
        assert parts("hostport6").total() == 1
        assert plugins.check(shared(first, PORT), one, first) == ""


def test_a_fault_at_any_step_leaves_the_port_to_those_who_had_it(
    trio: dict[str, tuple[Container, Json]], plugins: Plugins
) -> None:
    (one, first), (two, second), _ = trio.values()
    plugins.add(shared(first, PORT), one)
    before = dump()
    for step in range(20):
        kernel = StoppingKernel(step)
        given = Plugins(kernel=lambda kernel=kernel: kernel).ask("ADD", shared(second, PORT, UDP), two)  # type: ignore[misc]
        if given.status == 0:
            assert step >= 3 and parts() == {"one": 32, "two": 96}
            return
        assert "could not take back" not in given.stdout, given.stdout
        assert dump() == before
    pytest.fail("the ADD never came to its end")


def test_those_who_come_and_go_at_once_leave_no_slot_to_nobody(
    trio: dict[str, tuple[Container, Json]], plugins: Plugins
) -> None:
    (one, first), *others = trio.values()
    plugins.add(shared(first, PORT), one)

    def come_and_go(each: Container, result: Json) -> None:
        for _ in range(3):
            plugins.add(shared(result, PORT), each)
            assert sum(parts().values()) == 64
            plugins.delete(shared(result, PORT), each)

    threads = [Thread(target=come_and_go, args=other) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert parts() == {"one": 64} == parts("hostport_slots6")
    assert ip_json("link", "show", "pod0")
