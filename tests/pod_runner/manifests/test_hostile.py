"""Whatever is done to good manifests, reading gives objects and problems, and nothing else comes out."""

from __future__ import annotations

import json
from copy import deepcopy

from hypothesis import given, settings
from hypothesis import strategies as st

from pod_runner.manifests.defaults import with_defaults
from pod_runner.manifests.judging import judge
from pod_runner.manifests.model import KubeModel
from pod_runner.manifests.pod import Pod
from pod_runner.manifests.problems import MOST, JsonObject, Route
from pod_runner.manifests.reading import read
from pod_runner.manifests.updates import judge_update
from pod_runner.manifests.workload import Deployment, ReplicaSet
from tests.pod_runner.manifests.examples import shapes
from tests.rounds import rounds

GOOD = [one.body for shape in shapes() for one in read(shape.text, "x").objects]
MODELS: dict[str, type[KubeModel]] = {"Pod": Pod, "Deployment": Deployment, "ReplicaSet": ReplicaSet}
WORDS = [
    "", "None", "Always", "RollingUpdate", "0%", "25%", "metadata.name", "\x00", "\ud800", "/", "..",
    "1e9999", "a" * 300,
]  # fmt: skip
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(WORDS), st.text(max_size=8)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
TORN = st.sampled_from(["", "{", "]", "\n", "- ", '"', "é"])
MANY = [f"field{number}" for number in range(2 * MOST)]


def _routes(value: object, route: Route = ()) -> list[Route]:
    """Return where all values of a body are."""
    found: list[Route] = [route] if route else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += _routes(item, (*route, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += _routes(item, (*route, index))
    return found


def _put(body: JsonObject, route: Route, value: object) -> None:
    inner: object = body
    for part in route[:-1]:
        inner = inner[part]  # type: ignore[index]  # a route of this body
    inner[route[-1]] = value  # type: ignore[index]  # the same


@settings(max_examples=rounds(150))
@given(st.data())
def test_mutations_are_problems_and_never_more(data: st.DataObject) -> None:
    good = data.draw(st.sampled_from(GOOD))
    body = deepcopy(good)
    for _ in range(data.draw(st.integers(1, 3))):
        route = data.draw(st.sampled_from(_routes(body)))
        _put(body, route, data.draw(JSON))
    problems = judge(body)
    assert all(f"{one}" for one in problems)
    if not any(one.is_error for one in problems):
        filled = with_defaults(body)
        judge_update(good, filled)
        model = MODELS.get(f"{filled['kind']}")
        if model is not None:
            model.model_validate(filled)


@settings(max_examples=rounds(60))
@given(st.data())
def test_torn_texts_are_read_or_refused(data: st.DataObject) -> None:
    text = json.dumps(data.draw(st.sampled_from(GOOD)), indent=data.draw(st.sampled_from([None, 1])))
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    reading = read(text[:start] + data.draw(TORN) + text[end:], "x")
    assert all(one.place.startswith("x:") for one in reading.problems)


def _pod(spec: JsonObject) -> JsonObject:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec}


def test_who_makes_many_mistakes_is_told_some() -> None:
    assert len(judge(_pod(dict.fromkeys(MANY, 1)))) == MOST


def test_an_error_is_told_behind_many_warnings() -> None:
    containers = [{"name": name, "image": "host", "terminationMessagePath": "/x"} for name in MANY]
    problems = judge(_pod({"containers": containers, "oops": 1}))
    assert [one.path for one in problems if one.is_error] == ["spec.oops"]
