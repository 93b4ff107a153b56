"""Seccomp profiles -> BPF, by libseccomp.so.2; compiled once in a process, and loaded by each start.

The default is seccomp_default.json, what containerd allows: in the form of OCI (runtime-spec,
"seccomp"), with the additions of Docker:
`includes` and `excludes` make a rule depend on the container's capabilities.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import struct
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from pod_runner.container.spec import ContainerError
from pod_runner.kernel.program import Pointing, Program

DEFAULT = Path(__file__).with_name("seccomp_default.json")
LIBRARY = "libseccomp.so.2"
SET_MODE_FILTER = 1  # SECCOMP_SET_MODE_FILTER, linux/seccomp.h
OPTIMIZE, BINARY_TREE = 8, 2  # SCMP_FLTATR_CTL_OPTIMIZE (seccomp_attr_set(3)): a third of the time of a call
ALLOW = 0x7FFF0000
UNKNOWN = -1  # __NR_SCMP_ERROR: this machine has no such call
FILTER_SIZE = 8  # bytes of a struct sock_filter
# seccomp.h of libseccomp; ERRNO and TRACE have a number in their lower half
ACTIONS = {
    "SCMP_ACT_KILL": 0, "SCMP_ACT_KILL_THREAD": 0, "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000, "SCMP_ACT_ERRNO": 0x00050000, "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000, "SCMP_ACT_ALLOW": ALLOW,
}  # fmt: skip
OPERATORS = {
    "SCMP_CMP_NE": 1, "SCMP_CMP_LT": 2, "SCMP_CMP_LE": 3, "SCMP_CMP_EQ": 4, "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6, "SCMP_CMP_MASKED_EQ": 7,
}  # fmt: skip
# A machine's own, and those whose programs it runs, too
FAMILIES = {"x86_64": (b"x86", b"x32"), "aarch64": (b"arm",)}


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def load(program: Program, bpf: bytes) -> None:
    """Add the call that puts a filter on this process and all it becomes."""
    body = struct.pack("=HxxxxxxQ", len(bpf) // FILTER_SIZE, 0)  # struct sock_fprog
    program.call("load the seccomp filter", "seccomp", SET_MODE_FILTER, 0, Pointing(body, 8, bpf))


@cache
def default_filter(capabilities: frozenset[str]) -> bytes:
    """Return the default profile for a process with these capabilities (names without CAP_)."""
    return compile_profile(json.loads(DEFAULT.read_text()), capabilities)


@cache
def filter_of(path: str, stamp: tuple[int, int], capabilities: frozenset[str]) -> bytes:
    """Return a profile of the node's own; `stamp`: which version of the file is meant."""
    del stamp  # it only keeps versions apart
    try:
        profile = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise ContainerError(f"read the seccomp profile {path}: {error}") from error
    if not isinstance(profile, dict):
        raise ContainerError(f"the seccomp profile {path} is no JSON object")
    try:
        return compile_profile(profile, capabilities)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ContainerError(f"the seccomp profile {path} is malformed: {error!r}") from error


def compile_profile(profile: Mapping[str, object], capabilities: Iterable[str]) -> bytes:
    """Return a profile as BPF. Raises ContainerError."""
    library = _library()
    otherwise = _action(str(profile["defaultAction"]), profile.get("defaultErrnoRet"))
    context = library.seccomp_init(otherwise)
    if not context:
        raise ContainerError("libseccomp could not be initialized")
    try:
        for name in FAMILIES.get(os.uname().machine, ()):
            library.seccomp_arch_add(context, library.seccomp_arch_resolve_name(name))
        library.seccomp_attr_set(context, OPTIMIZE, BINARY_TREE)
        rules = profile.get("syscalls", [])
        assert isinstance(rules, list)
        held = {f"CAP_{name}" for name in capabilities}
        for rule in rules:
            if _is_meant(rule, held):
                _add_rule(library, context, rule, otherwise)
        return _export(library, context)
    finally:
        library.seccomp_release(context)


def _is_meant(rule: Mapping[str, Mapping[str, list[str]]], held: set[str]) -> bool:
    wanted = rule.get("includes", {}).get("caps", [])
    unwanted = rule.get("excludes", {}).get("caps", [])
    return held.issuperset(wanted) and not (unwanted and held.issuperset(unwanted))


def _add_rule(library: ctypes.CDLL, context: int, rule: Mapping[str, object], otherwise: int) -> None:
    action = _action(str(rule["action"]), rule.get("errnoRet"))
    if action == otherwise:
        return  # libseccomp refuses a rule that says what is said already
    names, conditions = rule["names"], rule.get("args") or []
    assert isinstance(names, list)
    assert isinstance(conditions, list)
    compared = [
        Comparison(one["index"], OPERATORS[one["op"]], one["value"], one.get("valueTwo", 0))
        for one in conditions
    ]
    for name in names:
        call = library.seccomp_syscall_resolve_name(str(name).encode())
        if call == UNKNOWN:
            continue
        array = (Comparison * len(compared))(*compared)
        refused = library.seccomp_rule_add_array(context, action, call, len(compared), array)
        if refused not in (0, -errno.EDOM):  # EDOM: another machine's pseudo call
            raise ContainerError(f"seccomp rule for {name}: {os.strerror(-refused)}")


def _action(name: str, number: object) -> int:
    if name not in ACTIONS:
        raise ContainerError(f"seccomp action {name} is not supported; {', '.join(ACTIONS)} are")
    action = ACTIONS[name]
    if name in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
        return action | (errno.EPERM if number is None else int(str(number)))
    return action


def _export(library: ctypes.CDLL, context: int) -> bytes:
    """Return the filter; libseccomp writes it to a descriptor."""
    descriptor = os.memfd_create("seccomp")
    try:
        if (said := library.seccomp_export_bpf(context, descriptor)) != 0:
            raise ContainerError(f"compile the seccomp filter: {os.strerror(-said)}")
        size = os.fstat(descriptor).st_size
        return os.pread(descriptor, size, 0)
    finally:
        os.close(descriptor)


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        said = f"{LIBRARY} is missing: install libseccomp2, or ask for the seccomp profile Unconfined"
        raise ContainerError(said) from error
    pointer = ctypes.c_void_p
    library.seccomp_init.restype = pointer
    library.seccomp_init.argtypes = (ctypes.c_uint32,)
    library.seccomp_release.argtypes = (pointer,)
    library.seccomp_arch_resolve_name.restype = ctypes.c_uint32
    library.seccomp_arch_add.argtypes = (pointer, ctypes.c_uint32)
    library.seccomp_attr_set.argtypes = (pointer, ctypes.c_int, ctypes.c_uint32)
    library.seccomp_rule_add_array.argtypes = (
        pointer, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Comparison),
    )  # fmt: skip
    library.seccomp_export_bpf.argtypes = (pointer, ctypes.c_int)
    return library
