"""What the node reads of a Pod."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod_runner.node.wanted import Demand, RefusedPod, seconds, wanted_pod
from tests.pod_runner.node.pods import asking, pod


def test_requests_are_added_up_as_the_scheduler_does() -> None:
    body = pod(
        "a",
        containers=[asking("500m", "64Mi"), asking("1", None)],
        initContainers=[
            asking("1", "1Gi"),
            asking("100m", "1Mi") | {"restartPolicy": "Always"},
        ],
    )
    assert wanted_pod(body).demand == Demand(cpu=1.6, memory=1 << 30)


def test_a_limit_is_a_request_where_there_is_none() -> None:
    container = {"name": "main", "image": "host", "resources": {"limits": {"memory": "1Mi"}}}
    assert wanted_pod(pod("a", containers=[container])).demand == Demand(memory=1 << 20)


def test_deletion_began_when_its_grace_did() -> None:
    body = pod("a")
    body["metadata"] |= {"deletionTimestamp": "2026-01-01T00:01:30Z", "deletionGracePeriodSeconds": 30}
    found = wanted_pod(body)
    assert found.deleted == seconds("2026-01-01T00:01:00Z") and found.grace == 30


def test_every_configmap_that_it_names_is_found() -> None:
    container = {
        "name": "main",
        "envFrom": [{"configMapRef": {"name": "all"}}, {"secretRef": {"name": "no"}}],
        "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "one", "key": "a"}}}, {"name": "B"}],
    }
    volumes = [
        {"name": "v", "configMap": {"name": "files"}},
        {"name": "p", "projected": {"sources": [{"configMap": {"name": "projected"}}, {"downwardAPI": {}}]}},
        {"name": "e", "emptyDir": {}},
    ]
    found = wanted_pod(pod("a", containers=[container], volumes=volumes))
    assert found.config_maps == {"all", "one", "files", "projected"}


@pytest.mark.parametrize("uid", ["", "..", "../a", "a/b", ".a", "a" * 64, 7])
def test_a_uid_that_would_lead_out_of_the_folder_is_refused(uid: object) -> None:
    body = pod("a")
    body["metadata"]["uid"] = uid
    with pytest.raises(RefusedPod, match=r"metadata\.uid"):
        wanted_pod(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
CONTAINER = ("spec", "containers", 0)
PLACES = [
    *((one,) for one in ("spec", "metadata", "status")),
    *(("spec", one) for one in ("containers", "volumes", "initContainers", "terminationGracePeriodSeconds")),
    *(("metadata", one) for one in ("creationTimestamp", "deletionTimestamp")),
    *((*CONTAINER, one) for one in ("resources", "ports", "env")),
]


@given(st.sampled_from(PLACES), JSON)
def test_whatever_is_in_a_pod_it_is_read_or_refused(place: tuple[Any, ...], value: object) -> None:
    body = pod("a")
    at: Any = body
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    try:
        assert wanted_pod(body).uid == "uid-a"
    except RefusedPod as error:
        assert str(error)
