"""An id that a user namespace has not is named before the kernel says "invalid argument" to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pod_runner.container.ids import require_groups, require_ids
from pod_runner.container.spec import ContainerError, IdMapping, Security, UserNamespace
from pod_runner.kernel.id_maps import missing, read_map, said

REPOSITORY = Path(__file__).parents[3]
# What an ordinary user's lab asks itself; the namespace has id 0 alone
SCRIPT = """
from pod_runner.container.ids import *
from pod_runner.container.process import surroundings
from pod_runner.container.spec import *
from pod_runner.kernel.cgroups import Cgroups
from pod_runner.kernel.id_maps import is_machines

def asked(**ids):
    try:
        require_ids("container web", Security(**ids))
    except ContainerError as error:
        return str(error)
    return "fine"

for ids in ({}, {"uid": 65534}, {"gid": 33}, {"groups": (1001,)}, {"groups": (0,)}):
    print(asked(**ids))
print(possible_groups((0, 4)), is_machines())
print(surroundings(SandboxSpec("uid", "web", "/web"), Cgroups(None), "/web").is_user)
try:
    require_own_namespace("make the sandbox")
except ContainerError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("text", "sentence", "without"),
    [
        ("0 54321 1", "0 alone", [1, 65534]),
        ("0 54321 1\n1 100000 65536", "0 to 65536", [65537]),
        ("0 1000 1\n10 100000 5", "0, 10 to 14", [1, 9, 15]),
        ("0 0 4294967295", "0 to 4294967294", []),
    ],
)
def test_a_map_says_which_ids_there_are(text: str, sentence: str, without: list[int]) -> None:
    there = read_map(text)
    assert said(there) == sentence
    assert missing([0, *without], there) == without


def test_in_an_ordinary_users_namespace_each_missing_id_is_named() -> None:
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", sys.executable, "-c", SCRIPT],
        capture_output=True, text=True, check=False, env={"PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    root, user, group, other, own, possible, is_user, sandbox = done.stdout.splitlines() or [done.stderr]
    assert root == "fine"
    assert user.startswith(
        "container web: user 65534 (runAsUser or the image's) is not an id of this user namespace"
    )
    assert "which has 0 alone" in user and "/etc/subuid" in user
    assert group.startswith("container web: group 33 (runAsGroup")
    assert other.startswith("container web: group 1001 (supplementalGroups or fsGroup)")
    assert "no group can be given to a process" in own
    assert (possible, is_user) == ("() False", "True")
    assert "hostUsers: false" in sandbox


def test_a_pods_own_namespace_counts_where_it_has_one() -> None:
    rows = (IdMapping(0, 100_000, 10),)
    require_ids("container web", Security(uid=9, gid=9, groups=(5,)), UserNamespace(rows, rows))
    with pytest.raises(ContainerError, match=r"user 10 .* which has 0 to 9") as refused:
        require_ids("container web", Security(uid=10), UserNamespace(rows, rows))
    assert refused.value.reason == "CreateContainerConfigError"


def test_the_machine_has_all_groups() -> None:
    require_groups("volumes", [0, 1001, 4_000_000_000])
