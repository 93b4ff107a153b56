"""What the manifests' roles allow, held against what an API server was asked."""

from __future__ import annotations

import re

from tests.deploy.kustomize import Json
from tests.kube_api.server import ApiServer

PLACE = re.compile(
    r"/(?:api/v1|apis/(?P<group>[^/]+)/v1)(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<kind>[a-z]+)(?:/(?P<name>[^/]+)(?P<part>/status)?)?"
)
VERBS = {"PATCH": "patch", "POST": "create", "PUT": "update", "DELETE": "delete"}


def assert_allowed(objects: list[Json], api: ApiServer) -> None:
    """Hold every question that came against what the roles allow, those of a namespace only there."""
    rules = [rule for one in objects if one["kind"] == "ClusterRole" for rule in one["rules"]]
    within = [
        (one["metadata"]["namespace"], rule)
        for one in objects
        if one["kind"] == "Role"
        for rule in one["rules"]
    ]
    assert api.asked
    for one in api.asked:
        found = PLACE.fullmatch(one.path)
        assert found, one
        resource = f"{found['kind']}{found['part'] or ''}"
        verb = VERBS.get(one.method) or (
            "watch" if "watch" in one.query else "get" if found["name"] else "list"
        )
        assert any(
            (found["group"] or "") in rule["apiGroups"]
            and resource in rule["resources"]
            and verb in rule["verbs"]
            for rule in [*rules, *(rule for where, rule in within if where == found["namespace"])]
        ), f"nobody allows {verb} {resource}: {one}"
