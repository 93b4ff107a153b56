"""Elements by our own messages, judged by `nft`; and what is known of a ruleset, for as long as it holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from linuxnet.errors import Conflict
from linuxnet.kernel import Kernel
from linuxnet.nft_element import Element
from linuxnet.nft_elements import Elements, RemoveOwned, list_elements
from linuxnet.nft_index import store
from linuxnet.nft_keys import set_types
from linuxnet.nft_rules import BaseRules
from linuxnet.owner import Attachment
from linuxnet.ruleset import ElementsRefused, Step
from linuxnet.together import Together
from tests.calls import run

OWNER = Attachment("net", "c1", "eth0")
# one for every type of key and data there is in podwire.nft
SAMPLES = (
    Element("inet", "masquerade4", "10.1.2.3"),
    Element("inet", "masquerade6", "fd00::1"),
    Element("inet", "same_network4", "10.1.0.0/16 . 10.1.0.0/16", shared=True),
    Element("inet", "same_network4", "10.2.3.4 . 10.2.3.4", shared=True),
    Element("inet", "same_network6", "fd00::/64 . fd00::/64", shared=True),
    Element("inet", "hostport4", "tcp . 8080", "10.1.2.3 . 80"),
    Element("inet", "hostport6", "sctp . 65535", "fd00::1 . 1"),
    Element("inet", "hostport_at4", "192.0.2.1 . udp . 53", "10.1.2.3 . 53"),
    Element("inet", "hostport_at6", "2001:db8::1 . tcp . 443", "fd00::1 . 443"),
    Element("inet", "hostport_slots4", "tcp . 8080 . 63", "10.1.2.3 . 80"),
    Element("inet", "hostport_slots6", "udp . 53 . 1", "fd00::1 . 53"),
    Element("inet", "hostport_slots_at4", "192.0.2.1 . tcp . 443 . 2", "10.1.2.3 . 443"),
    Element("inet", "hostport_slots_at6", "2001:db8::1 . tcp . 443 . 3", "fd00::1 . 443"),
    Element("inet", "loopback_ports", '"veth0123abcd"', shared=True),
    Element("bridge", "guarded_ports", '"v0"'),
    Element("bridge", "port_mac", '"v0" . 02:00:00:00:00:01'),
    Element("bridge", "port_ip4", '"v0" . 10.1.2.3'),
    Element("bridge", "port_ip6", '"v0" . fd00::1'),
    Element("bridge", "port_nd6", f'"v0" . 0x{0xFD000000000000000000000000000001:032x}'),
)


@pytest.fixture
def kernel(host: None) -> Iterator[Kernel]:
    with Kernel() as one:
        one.apply(BaseRules())
        yield one


def test_there_is_a_sample_of_every_type() -> None:
    types = {(kind.key, kind.data) for kind in set_types().values()}

    assert {(set_types()[s.family, s.name].key, set_types()[s.family, s.name].data) for s in SAMPLES} == types


@pytest.mark.parametrize("element", SAMPLES, ids=str)
def test_what_we_write_nft_reads(kernel: Kernel, element: Element) -> None:
    kernel.ruleset.add([Step(store(element, OWNER.mark), is_exclusive=True)])

    shown = run(["nft", "-nn", "list", "ruleset"])
    key = element.key if element.name != "port_nd6" else element.key.replace("0x", "0x", 1)
    data = f" : {element.data}" if element.data else ""
    comment = "net" if element.shared else OWNER.mark
    numbers = {"tcp": "6", "udp": "17", "sctp": "132"}
    words = [numbers.get(word, word) for word in key.split(" ")]
    assert f'{" ".join(words)} comment "{comment}"{data}' in " ".join(shown.split())


@pytest.mark.parametrize("element", SAMPLES, ids=str)
def test_what_nft_writes_we_read(kernel: Kernel, element: Element) -> None:
    data = f" : {element.data}" if element.data else ""
    run(["nft", f'add element {element.place} {{ {element.key} comment "somebody"{data} }}'])

    wanted = store(element, "somebody")
    assert kernel.ruleset.find(wanted) == wanted
    ((seen, mark),) = list_elements(kernel, element.family)
    assert (str(seen), seen.key, seen.data, mark) == (
        f"{element.name} {element.key}",
        element.key,
        element.data,
        "somebody",
    )


def test_what_nft_writes_we_delete(kernel: Kernel) -> None:
    for element in SAMPLES:
        data = f" : {element.data}" if element.data else ""
        run(["nft", f'add element {element.place} {{ {element.key} comment "{OWNER.mark}"{data} }}'])

    kernel.apply(RemoveOwned(OWNER))

    assert "comment" not in run(["nft", "list", "ruleset"])


def test_a_key_of_another_is_not_taken(kernel: Kernel) -> None:
    port = Element("inet", "hostport4", "tcp . 80", "10.0.0.2 . 80", what="host port tcp 80")
    kernel.apply(Elements("net c2 eth0", (port,)))

    with pytest.raises(Conflict, match="host port tcp 80 is taken by container c2 of network net"):
        kernel.apply(Elements(OWNER.mark, (port, Element("inet", "masquerade4", "10.0.0.3"))))
    assert "10.0.0.3" not in run(["nft", "list", "set", "inet", "podwire", "masquerade4"])


def test_what_was_read_holds_until_somebody_commits(kernel: Kernel) -> None:
    ruleset = kernel.ruleset
    ruleset.add([Step(store(SAMPLES[0], OWNER.mark))])
    assert len(ruleset.elements()) == 1
    before = ruleset.messages_sent

    ruleset.add([Step(store(SAMPLES[1], OWNER.mark), is_exclusive=True)])
    ruleset.add([Step(store(SAMPLES[1], OWNER.mark))])  # there already: no commit at all
    assert len(ruleset.elements()) == 2
    assert ruleset.count_rules("inet", "podwire")["prerouting"] == 2
    own = ruleset.messages_sent - before
    run(["nft", "delete element inet podwire masquerade4 { 10.1.2.3 }"])
    assert len(ruleset.elements()) == 1

    assert own < 15, "generations, two commits of three messages, and one look at the rules"
    assert ruleset.messages_sent - before > len(set_types()), "everything was read again"


def test_a_commit_by_another_in_between_is_met(kernel: Kernel) -> None:
    stored = store(SAMPLES[0], OWNER.mark)
    kernel.ruleset.add([Step(stored)])
    asked = 0

    def choose(index):  # type: ignore[no-untyped-def]
        nonlocal asked
        asked += 1
        if asked == 1:  # between our look and our commit
            run(["nft", "delete element inet podwire masquerade4 { 10.1.2.3 }"])
        return index.owned(OWNER.mark)

    assert kernel.ruleset.remove(choose) == []
    assert asked == 2


def test_a_refused_part_refuses_the_whole_and_no_other_ones(kernel: Kernel) -> None:
    taken = store(SAMPLES[0], "net c2 eth0")
    kernel.ruleset.add([Step(taken)])
    failures: list[Exception] = []

    def add(step: Step) -> None:
        try:
            kernel.ruleset.add([step])
        except ElementsRefused as error:
            failures.append(error)

    steps = [
        Step(store(Element("inet", "masquerade4", f"10.3.0.{i}"), OWNER.mark), is_exclusive=True)
        for i in range(16)
    ]
    steps[7] = Step(store(SAMPLES[0], OWNER.mark), is_exclusive=True)
    threads = [threading.Thread(target=add, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(failures) == 1
    assert run(["nft", "list", "set", "inet", "podwire", "masquerade4"]).count("10.3.0.") == 15


def test_thousands_of_elements_are_several_transactions(kernel: Kernel) -> None:
    elements = [Element("inet", "masquerade4", f"10.{i >> 8}.{i & 255}.1") for i in range(3000)]
    kernel.ruleset.add(Step(store(one, OWNER.mark)) for one in elements)
    assert len(kernel.ruleset.elements()) == 3000

    kernel.apply(RemoveOwned(OWNER))

    assert "10." not in run(["nft", "list", "set", "inet", "podwire", "masquerade4"])


def test_one_alone_waits_for_nobody_and_many_share() -> None:
    turns: list[int] = []
    entered, gate = threading.Event(), threading.Event()

    def act(items):  # type: ignore[no-untyped-def]
        turns.append(len(items))
        entered.set()
        gate.wait(10)
        return [ValueError(item) if item == 3 else None for item in items]

    together: Together[int] = Together(act)
    failed: list[Exception] = []

    def do(item: int) -> None:
        try:
            together.do(item)
        except ValueError as error:
            failed.append(error)

    first = threading.Thread(target=do, args=(0,))
    first.start()
    entered.wait(10)
    others = [threading.Thread(target=do, args=(i,)) for i in range(1, 6)]
    for thread in others:
        thread.start()
    while len(together._waiting) < 5:
        pass
    gate.set()
    for thread in [first, *others]:
        thread.join(10)

    assert turns == [1, 5] and [error.args for error in failed] == [(3,)]
