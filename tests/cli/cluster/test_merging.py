"""What an object becomes when a manifest is applied to it."""

from __future__ import annotations

from copy import deepcopy

import pytest

from pod_runner.cluster.bodies import JsonObject, member, with_member, without_member
from podwire.cluster.merging import differs, last_applied, merged, noted

MANIFEST: JsonObject = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web", "tier": "front"}},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "host", "command": ["true"]}]},
        },
    },
}
ROLLING = ("spec", "strategy", "rollingUpdate")


def test_applied_twice_it_is_the_same() -> None:
    live = noted(MANIFEST)
    assert last_applied(live) == MANIFEST
    again = merged(live, MANIFEST)
    assert not differs(live, again) and again == live


def test_what_others_set_stays() -> None:
    live = with_member(noted(MANIFEST), 5, "spec", "replicas")
    live = with_member(live, {"readyReplicas": 5}, "status")
    live = with_member(live, "yes", "metadata", "labels", "mine")
    after = merged(live, MANIFEST)
    assert member(after, "spec", "replicas") == 5 and member(after, "status", "readyReplicas") == 5
    assert member(after, "metadata", "labels") == {"app": "web", "tier": "front", "mine": "yes"}
    assert not differs(live, after)


def test_what_the_manifest_says_holds_again() -> None:
    wish = with_member(MANIFEST, 3, "spec", "replicas")
    live = with_member(noted(wish), 5, "spec", "replicas")
    assert member(merged(live, wish), "spec", "replicas") == 3


def test_what_the_manifest_says_no_more_goes_away() -> None:
    live = noted(with_member(MANIFEST, 3, "spec", "replicas"))
    after = merged(live, without_member(MANIFEST, "metadata", "labels", "tier"))
    assert member(after, "metadata", "labels") == {"app": "web"}
    assert member(after, "spec", "replicas") == 1, "the default is back"


def test_null_leaves_it_open() -> None:
    live = noted(with_member(MANIFEST, 3, "spec", "replicas"))
    assert member(merged(live, with_member(MANIFEST, None, "spec", "replicas")), "spec", "replicas") == 1


def test_defaults_of_what_was_wished_before_do_not_stay_beside_another_wish() -> None:
    live = noted(MANIFEST)
    assert member(live, *ROLLING) is not None
    after = merged(live, with_member(MANIFEST, {"type": "Recreate"}, "spec", "strategy"))
    assert member(after, "spec", "strategy") == {"type": "Recreate"}


def test_lists_are_taken_whole() -> None:
    wish = deepcopy(MANIFEST)
    path = ("spec", "template", "spec", "containers")
    wish = with_member(wish, [{"name": "other", "image": "host", "command": ["true"]}], *path)
    containers = member(merged(noted(MANIFEST), wish), *path)
    assert isinstance(containers, list) and [one["name"] for one in containers] == ["other"]


@pytest.mark.parametrize("note", ["{", "[]", "3", '{"kind": "Service"}', "[" * 5000])
def test_a_spoilt_note_counts_as_none(note: str) -> None:
    live = with_member(noted(MANIFEST), note, "metadata", "annotations", "podwire.io/last-applied")
    assert last_applied(live) == {}
    assert last_applied(merged(live, MANIFEST)) == MANIFEST


def test_nothing_given_is_changed() -> None:
    live, wish = noted(MANIFEST), deepcopy(MANIFEST)
    before = deepcopy((live, wish))
    merged(live, wish)
    assert (live, wish) == before
