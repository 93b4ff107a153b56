"""Which devices a cgroup's processes may open: rules, for version 1 as text, for version 2 as a BPF program.

Version 2 has no file for it: a program of type BPF_PROG_TYPE_CGROUP_DEVICE, attached to the cgroup, is asked
at each mknod and open (admin-guide/cgroup-v2.rst, "Device controller"). Constants: linux/bpf.h, bpf_common.h.
"""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from typing import NamedTuple

from pod_runner.kernel.numbers import number

MKNOD, READ, WRITE = 1, 2, 4  # BPF_DEVCG_ACC_*
BLOCK, CHARACTER = 1, 2  # BPF_DEVCG_DEV_*
BPF_PROG_LOAD, BPF_PROG_ATTACH = 5, 8
CGROUP_DEVICE_PROGRAM, CGROUP_DEVICE_ATTACH = 15, 6  # BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE
LOAD, AND, SHIFT_RIGHT, COPY, SET, EXIT = 0x61, 0x57, 0x77, 0xBF, 0xB7, 0x95
UNLESS_NUMBER, UNLESS_REGISTER = 0x55, 0x5D  # JNE by a constant, by a register
_INSTRUCTION = struct.Struct("=BBhi")  # struct bpf_insn: code, registers, offset, constant


class Rule(NamedTuple):
    """What may be done with devices; None is any number (admin-guide/devices.txt)."""

    kind: int
    major: int | None
    minor: int | None
    access: int

    def __str__(self) -> str:
        """Return it as version 1's devices.allow takes it."""
        numbers = ["*" if one is None else str(one) for one in (self.major, self.minor)]
        letters = "".join(
            letter for letter, bit in (("r", READ), ("w", WRITE), ("m", MKNOD)) if self.access & bit
        )
        return f"{'b' if self.kind == BLOCK else 'c'} {numbers[0]}:{numbers[1]} {letters}"


ALL = MKNOD | READ | WRITE
# runc's: to make a node is not to use it; null, zero, full, random, urandom; tty, console, ptmx; pts
CONTAINERS = (
    Rule(CHARACTER, None, None, MKNOD),
    Rule(BLOCK, None, None, MKNOD),
    *(Rule(CHARACTER, 1, minor, ALL) for minor in (3, 5, 7, 8, 9)),
    *(Rule(CHARACTER, 5, minor, ALL) for minor in (0, 1, 2)),
    Rule(CHARACTER, 136, None, ALL),
)


def attach(cgroup: Path, rules: tuple[Rule, ...]) -> None:
    """Let processes of a cgroup of version 2 use these devices alone; replaces what we attached before.

    Raises:
        OSError: the kernel has no BPF for cgroups, or we may not use it.
    """
    folder = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        program = _load(compile_rules(rules))
        try:
            _bpf(BPF_PROG_ATTACH, struct.pack("=4I", folder, program, CGROUP_DEVICE_ATTACH, 0))
        finally:
            os.close(program)
    finally:
        os.close(folder)


def compile_rules(rules: tuple[Rule, ...]) -> bytes:
    """Return the program: registers 2 to 5 are kind, access, major, minor; a rule that fits allows."""
    code = [
        (LOAD, 2, 1, 0, 0), (AND, 2, 0, 0, 0xFFFF), (LOAD, 3, 1, 0, 0), (SHIFT_RIGHT, 3, 0, 0, 16),
        (LOAD, 4, 1, 4, 0), (LOAD, 5, 1, 8, 0),
    ]  # fmt: skip
    for rule in rules:
        code += _compile(rule)
    code += [(SET, 0, 0, 0, 0), (EXIT, 0, 0, 0, 0)]
    return b"".join(_INSTRUCTION.pack(what, to | by << 4, far, value) for what, to, by, far, value in code)


def _compile(rule: Rule) -> list[tuple[int, int, int, int, int]]:
    numbers = [(4, rule.major), (5, rule.minor)]
    checks = [(register, value) for register, value in numbers if value is not None]
    size = 6 + len(checks)  # of the rule: what does not fit goes on behind it
    code = [
        (UNLESS_NUMBER, 2, 0, size - 1, rule.kind), (COPY, 1, 3, 0, 0), (AND, 1, 0, 0, rule.access),
        (UNLESS_REGISTER, 1, 3, size - 4, 0),
    ]  # fmt: skip
    code += [
        (UNLESS_NUMBER, register, 0, size - 5 - at, value) for at, (register, value) in enumerate(checks)
    ]
    return [*code, (SET, 0, 0, 0, 1), (EXIT, 0, 0, 0, 0)]


def _load(code: bytes) -> int:
    kept, licence = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(b"Apache-2.0")
    addresses = ctypes.addressof(kept), ctypes.addressof(licence)
    head = (CGROUP_DEVICE_PROGRAM, len(code) // _INSTRUCTION.size, *addresses)
    return _bpf(BPF_PROG_LOAD, struct.pack("=2I2Q", *head).ljust(72, b"\0"))  # no log, no name


def _bpf(command: int, attributes: bytes) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    body = ctypes.create_string_buffer(attributes, len(attributes))
    result = int(libc.syscall(number("bpf"), command, body, len(attributes)))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
