"""firewalld, over D-Bus: is it there, and which sources does a zone have (firewalld.dbus(5))?"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linuxnet.errors import KernelError, MissingTool
from linuxnet.kernel import Kernel
from linuxnet.op import Inverse, Op

SYSTEM_BUS = "/run/dbus/system_bus_socket"
NAME, PATH = "org.freedesktop.FirewallD1", "/org/freedesktop/FirewallD1"
ZONE_INTERFACE = "org.freedesktop.FirewallD1.zone"
TIMEOUT = 10  # seconds for one call; firewalld answers after its own rules are in


@dataclass(frozen=True)
class ZoneSource:
    """An address in a zone: what comes from it is treated as the zone says."""

    zone: str
    source: str  # an address with /32 or /128

    def __str__(self) -> str:
        return f"firewall-cmd --zone={self.zone} --add-source={self.source}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Add it; one that is there already is fine."""
        if self._is_there():
            return None
        _call("addSource", self.zone, self.source)
        return RemoveZoneSource(self.zone, self.source)

    def difference(self, kernel: Kernel) -> str | None:
        """Ask for it."""
        return None if self._is_there() else f"{self.source} is not in firewalld's zone {self.zone}"

    def _is_there(self) -> bool:
        return bool(_call("querySource", self.zone, self.source))


@dataclass(frozen=True)
class RemoveZoneSource(Inverse):
    """Take an address out of a zone; gone already is fine."""

    zone: str
    source: str

    def __str__(self) -> str:
        return f"firewall-cmd --zone={self.zone} --remove-source={self.source}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Remove it if it is there."""
        if _call("querySource", self.zone, self.source):
            _call("removeSource", self.zone, self.source)
        return None


def is_running() -> bool:
    """Tell whether firewalld is on the system bus; without a bus it is not, and nothing is loaded."""
    if not _has_bus():
        return False
    try:
        return bool(_ask("org.freedesktop.DBus", "/org/freedesktop/DBus", "NameHasOwner", "s", (NAME,)))
    except (KernelError, MissingTool):  # a bus that does not answer manages no firewall
        return False


def _has_bus() -> bool:
    return bool(os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")) or Path(SYSTEM_BUS).is_socket()


def _call(method: str, zone: str, source: str) -> Any:
    return _ask(ZONE_INTERFACE, PATH, method, "ss", (zone, source), name=NAME)


def _ask(
    interface: str, path: str, method: str, signature: str, body: tuple[str, ...], *, name: str = ""
) -> Any:
    """Make one call on the system bus. Raises KernelError with what the other side said."""
    from jeepney import DBusAddress, DBusErrorResponse, new_method_call  # 20 ms that few hosts need
    from jeepney.io.blocking import open_dbus_connection

    address = DBusAddress(path, bus_name=name or interface, interface=interface)
    asked = f"D-Bus call {method} {' '.join(body)}"
    try:
        with open_dbus_connection(bus="SYSTEM") as connection:
            reply = connection.send_and_get_reply(
                new_method_call(address, method, signature, body), timeout=TIMEOUT
            )
    except (OSError, TimeoutError, DBusErrorResponse) as error:
        raise KernelError(getattr(error, "errno", 0) or 0, asked, str(error)) from error
    if reply.header.message_type.name == "error":
        raise KernelError(0, asked, str(reply.body[0] if reply.body else "refused"))
    return reply.body[0] if reply.body else None
