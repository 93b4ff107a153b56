"""Sysctls below /proc/sys/net, in the namespace of one side.

A value is read before it is written: what is already so is not touched, and a read-only /proc/sys is an
error only where something must change.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from linuxnet.errors import KernelError
from linuxnet.kernel import Kernel
from linuxnet.op import Inverse, Op, Where

ROOT = Path("/proc/sys/net")


@dataclass(frozen=True)
class Sysctl:
    """`path` is below /proc/sys/net, parts separated by "/": interface names may hold dots.

    `shared`: more than one attachment relies on it, so a failing ADD puts the old value back only when
    it is alone. `optional`: a kernel that lacks it, as one without IPv6 does, has nothing to be told.
    """

    where: Where
    path: str
    value: str
    shared: bool = False
    optional: bool = False

    def __str__(self) -> str:
        prefix = "" if self.where is Where.HOST else "ip netns exec CONTAINER "
        return f"{prefix}sysctl -w net/{self.path}={self.value}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Write the value if it differs. Returns the operation that writes the old one back."""
        if self.shared:
            _ = kernel.shared  # taken before the look, so that nobody undoes what we find
        before = read_sysctl(kernel, self.where, self.path)
        if before is None and not self.optional:
            raise KernelError(2, f"{self}")
        if before is None or _same(before, self.value):
            return None
        write_sysctl(kernel, self.where, self.path, self.value)
        return RestoreSysctl(self.where, self.path, before, self.shared)

    def difference(self, kernel: Kernel) -> str | None:
        """Compare the value."""
        seen = read_sysctl(kernel, self.where, self.path)
        if (seen is None and self.optional) or (seen is not None and _same(seen, self.value)):
            return None
        return f"sysctl net/{self.path} is {'missing' if seen is None else seen}, not {self.value}"


@dataclass(frozen=True)
class RestoreSysctl(Inverse):
    """Write back what was there before."""

    where: Where
    path: str
    value: str
    shared: bool

    def __str__(self) -> str:
        return str(Sysctl(self.where, self.path, self.value))

    def apply(self, kernel: Kernel) -> Op | None:
        """Write, unless the object is gone or others have come to rely on the new value."""
        if self.shared and not kernel.is_alone():
            return None
        if read_sysctl(kernel, self.where, self.path) is not None:
            write_sysctl(kernel, self.where, self.path, self.value)
        return None


def read_sysctl(kernel: Kernel, where: Where, path: str) -> str | None:
    """Return a value without its line end, None if there is no such sysctl."""
    with kernel.inside(where):
        try:
            with open(f"{ROOT}/{path}", encoding="ascii") as file:  # noqa: PTH123 - a Path costs as much as the read
                return file.read().strip()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise KernelError(error.errno or 0, f"read /proc/sys/net/{path}") from error


def write_sysctl(kernel: Kernel, where: Where, path: str, value: str) -> None:
    """Write a value. Raises KernelError with the path and the kernel's reason."""
    with kernel.inside(where):
        try:
            with open(f"{ROOT}/{path}", "w", encoding="ascii") as file:  # noqa: PTH123 - as above
                file.write(value)
        except OSError as error:
            raise KernelError(error.errno or 0, f"write {value!r} to /proc/sys/net/{path}") from error


def _same(one: str, other: str) -> bool:
    """Compare as the kernel prints: fields may be separated by tabs (ip_local_port_range)."""
    return one.split() == other.split()
