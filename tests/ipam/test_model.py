"""Any sequence of operations, judged by a set."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cni_spec.errors import CniError
from ipam.allocator import collect
from ipam.directory import Owner
from tests.ipam_world import World, assert_in_step, files, pool

WHO = st.sampled_from([f"c{i}" for i in range(8)])
NAME = st.sampled_from(["", "", "db-0", "db-1"])
NUMBER = st.integers(0, 9)
USABLE = {f"10.1.0.{n}" for n in (2, 3, 4, 5, 8)}  # two ranges of a small pool, without the gateway
IN_POOL = USABLE | {"10.1.0.1"}


class Pool(RuleBasedStateMachine):
    """`held`: address -> container, `released`: address -> time."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(Path(tempfile.mkdtemp()), cooldown=10.0)
        self.world.pools = [pool("10.1.0.0/24 10.1.0.1 10.1.0.5", "10.1.0.0/24 10.1.0.8 10.1.0.8")]
        self.held: dict[str, str] = {}
        self.released: dict[str, float] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.world.folder)

    def _has_one(self, who: str) -> bool:
        return any(holder == who and address in IN_POOL for address, holder in self.held.items())

    def _free(self) -> set[str]:
        now = self.world.time
        cooling = {a for a, since in self.released.items() if now - since < self.world.cooldown}
        return USABLE - self.held.keys() - cooling

    @rule(who=WHO, name=NAME)
    def add(self, who: str, name: str) -> None:
        try:
            (given,) = self.world.add(who, name=name)
        except CniError as error:
            assert self._has_one(who) if "duplicate" in error.msg else not self._free()
            return
        assert given in USABLE and given not in self.held and not self._has_one(who)
        assert given in self._free() or name, "a cooling address goes to whom it is remembered for only"
        self._hold(given, who)

    @rule(who=WHO, number=NUMBER)
    def request(self, who: str, number: int) -> None:
        address = f"10.1.0.{number}"
        possible = address in USABLE and address not in self.held and not self._has_one(who)
        try:
            assert self.world.add(who, address) == [address]
        except CniError:
            assert not possible
            return
        assert possible
        self._hold(address, who)

    @rule(who=WHO)
    def delete(self, who: str) -> None:
        expected = sorted(address for address, holder in self.held.items() if holder == who)
        assert self.world.delete(who) == expected
        self._release(expected)

    @rule(valid=st.frozensets(WHO))
    def gc(self, valid: frozenset[str]) -> None:
        owners = frozenset(Owner(who, "eth0") for who in valid)
        given_back = self.world.run(lambda store: collect(store, owners))
        stale = [address for address, who in self.held.items() if who not in valid]
        assert sorted(map(str, given_back)) == sorted(stale)
        self._release(stale)

    @rule(number=NUMBER, who=WHO)
    def somebody_else_writes(self, number: int, who: str) -> None:
        address = f"10.1.0.{number}"
        if address not in self.held and who not in self.held.values():
            (self.world.path / address).write_text(f"{who}\r\neth0")
            self._hold(address, who)

    @rule(number=NUMBER)
    def somebody_else_crashes(self, number: int) -> None:
        if f"10.1.0.{number}" not in self.held:
            (self.world.path / f"10.1.0.{number}").touch()

    @rule(number=NUMBER)
    def somebody_else_removes(self, number: int) -> None:
        (self.world.path / f"10.1.0.{number}").unlink(missing_ok=True)
        self.held.pop(f"10.1.0.{number}", None)

    @rule()
    def the_index_is_lost(self) -> None:
        (self.world.folder / ".podwire/net/index.sqlite").unlink(missing_ok=True)
        self.released.clear()

    @rule(seconds=st.sampled_from([1.0, 9.0, 10.0]))
    def time_goes_on(self, seconds: float) -> None:
        self.world.time += seconds

    @invariant()
    def the_files_are_the_model(self) -> None:
        assert_in_step(self.world)
        assert files(self.world.path) == {a: f"{who}\r\neth0" for a, who in self.held.items()}

    def _hold(self, address: str, who: str) -> None:
        self.held[address] = who
        self.released.pop(address, None)

    def _release(self, addresses: list[str]) -> None:
        for address in addresses:
            del self.held[address]
            self.released[address] = self.world.time


Pool.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_any_sequence_of_operations_keeps_to_the_model = Pool.TestCase
