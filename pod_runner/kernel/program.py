"""Program: a list of system calls, as bytes for the starter (starter.c), each with what it stands for.

A process of a pod is planned whole before it exists. An argument is a number, bytes that lie in the program
(the call gets their address), or the result of an earlier call (`Result`); nothing else can flow. What
may fail and go on says which errnos, and how many calls to leave out then. Pure.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from pod_runner.container.spec import ContainerError
from pod_runner.kernel.numbers import number

OPERATION = struct.Struct("=4i4i8B6Q")  # struct operation of starter.c
HEADER = struct.Struct("=3Q")
REPORT = struct.Struct("=3i")  # kind, value, and which operation, or which branch
REPORT_PID, REPORT_ERROR, REPORT_WAITING = 0, 1, 2
CLONE, FAIL, SKIP = -1, -2, -3
IMMEDIATE, ADDRESS, REGISTER = range(3)
ANY = -1  # tolerate every errno
REGISTERS = 4096  # starter.c has the same
OPENING = {"openat", "openat2", "open_tree", "socket"}
MOST_OPEN = 800  # below the numbers that are given out (FIRST_FIXED), and Linux's usual limit of 1024
FIRST_FIXED = 850  # from here on a program chooses numbers itself
_WORD = 1 << 64
_number = cache(number)


class TooLong(ContainerError):
    """A program has more calls, or opens more files, than a starter may."""


@dataclass(frozen=True)
class Result:
    """What an earlier call returned."""

    register: int


@dataclass(frozen=True)
class Text:
    """A string as C has it."""

    text: str


@dataclass(frozen=True)
class Pointers:
    """An array of strings with a null pointer behind them: argv, envp."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Pointing:
    """A structure in which the eight bytes at `at` are the address of other bytes (struct sock_fprog)."""

    body: bytes
    at: int
    target: bytes


Argument = int | bytes | Text | Pointers | Pointing | Result


class Call(NamedTuple):
    """An operation as it was asked for: what `listing` reads. `name` of a fork is "clone"."""

    name: str
    arguments: tuple[Argument, ...]
    meaning: str
    result: Result | None = None
    on_error: int = 0
    on_success: int = 0


@dataclass
class Program:
    """The list while it is written. `stays`: its end is a pause process, not a failed execve."""

    stays: bool = False
    branches: int = 0  # so far
    meanings: list[str] = field(default_factory=list)  # of each operation: the command it stands for
    calls: list[Call] = field(default_factory=list)  # the operations themselves
    _operations: list[bytes] = field(default_factory=list)
    _relocations: list[int] = field(default_factory=list)
    _data: bytearray = field(default_factory=bytearray)
    _known: dict[bytes, int] = field(default_factory=dict)
    _registers: int = 0
    _opened: int = 0

    def call(
        self,
        meaning: str,
        name: str,
        *arguments: Argument,
        tolerate: tuple[int, ...] = (),
        on_error: int = 0,
        on_success: int = 0,
    ) -> Result:
        """Add a system call; return what it will return. `on_...`: how many calls to leave out then."""
        if self._registers == REGISTERS:
            raise TooLong(f"this takes more than {REGISTERS} system calls")
        self._opened += (name in OPENING) - (name == "close")
        if self._opened > MOST_OPEN:
            raise TooLong(f"this opens more than {MOST_OPEN} files")
        into, self._registers = Result(self._registers), self._registers + 1
        self._add(meaning, _number(name), arguments, tolerate, (into.register, on_error, on_success))
        self.calls.append(Call(name, arguments, meaning, into, on_error, on_success))
        return into

    def branch(self, meaning: str, flags: int, clone3: bytes = b"") -> None:
        """Add a fork whose parent reports the child and ends. `clone3`: struct clone_args, not flags."""
        self.branches += 1
        how: tuple[Argument, ...] = (clone3, len(clone3)) if clone3 else (flags, 0)
        self._add(meaning, CLONE, (*how, self.branches), (), (-1, 0, 0))
        self.calls.append(Call("clone", how, meaning))

    def fail(self, meaning: str, errno: int) -> None:
        """Add a failure: what is reached when all before it that was tolerated did not help."""
        self._add(meaning, FAIL, (errno,), (), (-1, 0, 0))
        self.calls.append(Call("fail", (errno,), meaning))

    def skip(self, calls: int) -> None:
        """Leave out so many calls."""
        self._add("go on", SKIP, (calls,), (), (-1, 0, 0))
        self.calls.append(Call("skip", (calls,), "go on"))

    def compile(self) -> bytes:
        """Return the program."""
        head = HEADER.pack(len(self._operations), len(self._relocations), self.stays)
        relocations = struct.pack(f"={len(self._relocations)}Q", *self._relocations)
        return b"".join([head, *self._operations, relocations, self._data])

    def _add(
        self,
        meaning: str,
        call: int,
        arguments: tuple[Argument, ...],
        tolerate: tuple[int, ...],
        places: tuple[int, int, int],
    ) -> None:
        kinds, values = [IMMEDIATE] * 8, [0] * 6
        for at, argument in enumerate(arguments):
            kinds[at], values[at] = self._place(argument)
        tolerated = (*tolerate, 0, 0, 0, 0)[:4]
        self._operations.append(OPERATION.pack(call, *places, *tolerated, *kinds, *values))
        self.meanings.append(meaning)

    def _place(self, argument: Argument) -> tuple[int, int]:
        match argument:
            case int():
                return IMMEDIATE, argument % _WORD
            case Result():
                return REGISTER, argument.register
            case Text():
                return ADDRESS, self._put(_terminated(argument.text))
            case bytes():
                return ADDRESS, self._put(argument)
            case Pointers():
                texts = [self._put(_terminated(one)) for one in argument.texts]
                return ADDRESS, self._put_pointers(struct.pack(f"={len(texts) + 1}Q", *texts, 0), len(texts))
            case Pointing():
                target = self._put(argument.target)
                body = bytearray(argument.body)
                body[argument.at : argument.at + 8] = target.to_bytes(8, sys.byteorder)
                at = self._put_new(bytes(body))
                self._relocations.append(at + argument.at)
                return ADDRESS, at

    def _put(self, body: bytes) -> int:
        """Return where the bytes are. Equal ones lie in one place: no call changes what it reads."""
        if body not in self._known:
            self._known[body] = self._put_new(body)
        return self._known[body]

    def _put_new(self, body: bytes) -> int:
        self._data += bytes(-len(self._data) % 8)
        at = len(self._data)
        self._data += body
        return at

    def _put_pointers(self, body: bytes, count: int) -> int:
        at = self._put_new(body)
        self._relocations += range(at, at + 8 * count, 8)
        return at


def _terminated(text: str) -> bytes:
    if "\0" in text:
        raise ContainerError(f"{text!r} has a zero byte, where the kernel takes a string to end")
    return text.encode("utf-8", "surrogateescape") + b"\0"
