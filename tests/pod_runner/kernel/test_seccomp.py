"""Seccomp profiles as BPF, capabilities as bits."""

from __future__ import annotations

import json

import pytest

from pod_runner.container.spec import DEFAULT_CAPABILITIES, ContainerError
from pod_runner.kernel import capabilities
from pod_runner.kernel.seccomp import DEFAULT, compile_profile, default_filter

MOST = 4096  # instructions (BPF_MAXINSNS)


def test_the_default_profile_is_a_filter_the_kernel_takes() -> None:
    held = default_filter(DEFAULT_CAPABILITIES)
    assert len(held) % 8 == 0
    assert 100 < len(held) // 8 < MOST
    assert default_filter(DEFAULT_CAPABILITIES) is held  # compiled once
    assert default_filter(DEFAULT_CAPABILITIES | {"SYS_ADMIN"}) != held


def test_the_default_profile_allows_nothing_that_changes_the_node() -> None:
    rules = json.loads(DEFAULT.read_text())["syscalls"]
    free = [
        name for rule in rules if not rule.get("args") and not rule.get("includes") for name in rule["names"]
    ]
    assert len(free) == len(set(free))
    dangerous = {
        "mount", "umount2", "pivot_root", "unshare", "setns", "bpf", "kexec_load", "init_module",
        "keyctl", "add_key", "request_key", "reboot", "open_by_handle_at", "perf_event_open",
        "userfaultfd", "io_uring_setup", "swapon", "move_mount", "open_tree", "fsopen", "settimeofday",
        "acct", "quotactl", "vhangup", "iopl", "ioperm",
    }  # fmt: skip
    assert not dangerous & set(free)


@pytest.mark.parametrize(
    "profile",
    [
        {"defaultAction": "SCMP_ACT_NOTIFY"},
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "WHAT"}]},
    ],
)
def test_an_action_that_is_not_supported_is_named(profile: dict[str, object]) -> None:
    with pytest.raises(ContainerError, match="is not supported"):
        compile_profile(profile, ())


def test_calls_that_this_machine_does_not_have_are_left_out() -> None:
    rule = {"names": ["no_such_call", "s390_pci_mmio_read"], "action": "SCMP_ACT_ERRNO"}
    assert compile_profile({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}, ())


def test_capabilities_have_the_kernels_numbers() -> None:
    assert capabilities.mask({"CHOWN", "CAP_NET_ADMIN"}) == 1 | 1 << 12
    assert capabilities.names_of(1 << 21) == {"SYS_ADMIN"}
    assert capabilities.mask({"ALL"}) >> capabilities.last() == 1
    assert capabilities.names_of(capabilities.mask(DEFAULT_CAPABILITIES)) == DEFAULT_CAPABILITIES
    with pytest.raises(ValueError, match="NOTHING"):
        capabilities.mask({"NOTHING"})
