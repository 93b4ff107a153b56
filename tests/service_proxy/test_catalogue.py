"""The catalogue says what an event touches, and always holds what it would had it been told so at once."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from service_proxy.catalogue import Catalogue, Changed, Kind, Listed, Touched
from service_proxy.model import EndpointSlice, Namespace, Node, ServiceCidr, ServiceName, SliceName
from tests.service_proxy.made import WEB, endpoint, endpoint_slice, service

OTHER = ServiceName("default", "other")


def test_it_is_complete_when_each_kind_was_listed() -> None:
    catalogue = Catalogue(asked=[Kind.SERVICE, Kind.NODE])
    catalogue.take(Changed(Kind.SERVICE, WEB, service()))
    assert not catalogue.is_complete
    catalogue.take(Listed(Kind.SERVICE, {}))
    assert catalogue.missing == {Kind.NODE}
    catalogue.take(Listed(Kind.NODE, {}))
    assert catalogue.is_complete


def test_what_is_so_already_touches_nothing() -> None:
    catalogue = Catalogue()
    told: list[Touched] = []
    catalogue.listen(told.append)
    event = Changed(Kind.SERVICE, WEB, service())
    assert catalogue.take(event) == Touched(services=frozenset([WEB]))
    assert not catalogue.take(event)
    assert not catalogue.take(Listed(Kind.SERVICE, {WEB: service()}))
    assert not catalogue.take(Changed(Kind.SLICE, SliceName("a", "b"), None))
    assert told == [Touched(services=frozenset([WEB]))]


def test_a_list_takes_away_what_it_does_not_have() -> None:
    catalogue = Catalogue()
    catalogue.take(Changed(Kind.SERVICE, WEB, service()))
    assert catalogue.take(Listed(Kind.SERVICE, {})).services == {WEB}
    assert catalogue.services == {}


def test_a_slice_that_goes_over_to_another_service_touches_both() -> None:
    catalogue = Catalogue()
    mine = endpoint_slice(endpoint("10.0.0.1"))
    catalogue.take(Changed(Kind.SLICE, mine.name, mine))
    theirs = EndpointSlice(mine.name, OTHER, 4, mine.ports, mine.endpoints)
    assert catalogue.take(Changed(Kind.SLICE, mine.name, theirs)).services == {WEB, OTHER}
    assert catalogue.slices_of(WEB) == ()
    assert catalogue.slices_of(OTHER) == (theirs,)


def test_this_node_and_the_ranges_touch_everything() -> None:
    catalogue = Catalogue("node-1")
    assert not catalogue.take(Changed(Kind.NODE, "node-2", Node("node-2"))).is_everything
    assert catalogue.take(Changed(Kind.NODE, "node-1", Node("node-1"))).is_everything
    assert catalogue.own_node == Node("node-1")
    assert catalogue.take(Changed(Kind.SERVICE_CIDR, "a", ServiceCidr("a", ()))).is_everything
    assert catalogue.take(Changed(Kind.NAMESPACE, "a", Namespace("a"))) == Touched(namespaces=frozenset("a"))


keyed = st.builds(
    lambda name, of, host: replace(
        endpoint_slice(endpoint(f"10.0.0.{host}"), of=of), name=SliceName("default", name)
    ),
    st.sampled_from("abc"),
    st.sampled_from([WEB, OTHER]),
    st.integers(1, 3),
)
events = st.lists(
    st.builds(lambda one: Changed(Kind.SLICE, one.name, one), keyed)
    | st.builds(lambda name: Changed(Kind.SLICE, SliceName("default", name), None), st.sampled_from("abc"))
    | st.builds(
        lambda some: Listed(Kind.SLICE, {one.name: one for one in some}), st.lists(keyed, max_size=3)
    ),
    max_size=12,
)


@settings(deadline=None)
@given(events)
def test_any_events_leave_what_they_say(some: list[Changed | Listed]) -> None:
    catalogue = Catalogue()
    for event in some:
        before = dict(catalogue.slices)
        touched = catalogue.take(event)
        after = catalogue.slices
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        assert touched.services == {
            one.service for name in changed for one in (before.get(name), after.get(name)) if one is not None
        }
        for name in (WEB, OTHER):
            assert catalogue.slices_of(name) == tuple(
                after[key] for key in sorted(after) if after[key].service == name
            )
