"""Addresses as the kernel has them: 4 bytes or 16, in the order of the network. Pure."""

from __future__ import annotations

import socket


def packed(text: str) -> bytes:
    """Return an address of either family as bytes. Raises OSError: it is none."""
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def text_of(address: bytes) -> str:
    """Return an address as people write it."""
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


def family_of(address: bytes) -> int:
    """Return 4 or 6."""
    return 4 if len(address) == 4 else 6
