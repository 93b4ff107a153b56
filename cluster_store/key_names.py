"""A key as a file's name and back: percent-encoded (RFC 3986), so that no key leaves its folder.

The slash is quoted too: one flat folder is one inotify watch, and "a" and "a/b" may both be keys. A leading
dot is quoted, so hidden files are nobody's keys: the store's own folder, rsync's and editors' files. A file
whose name would be spelled otherwise ("notes.txt~") is not ours either.
"""

from __future__ import annotations

import re

from cluster_store.store import StoreRefused

NAME_MAX = 255  # bytes of a file's name (linux/limits.h)
_SPECIAL = re.compile(r"^\.|[^A-Za-z0-9._@+=,-]")
_QUOTED = re.compile("((?:%[0-9A-F]{2})+)")


def name_of(key: str) -> str:
    """Return the name of a key's file.

    Raises:
        StoreRefused: the key is empty, too long for a file's name or no Unicode text.
    """
    name = quote(key)
    if not name:
        raise StoreRefused("a key must not be empty")
    if len(name) > NAME_MAX:
        raise StoreRefused(
            f"the key {key[:60]!r}... is too long for a file's name: {len(name)} bytes of {NAME_MAX}"
        )
    return name


def quote(text: str) -> str:
    """Spell a key, or the start of one, in what a file's name may have. Raises StoreRefused."""
    try:
        return _SPECIAL.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise StoreRefused(f"the key {text[:60]!r} is no Unicode text: {error.reason}") from error


def key_of(name: str) -> str | None:
    """Return the key whose file is called so; None if that is no key's file."""
    try:
        key = _QUOTED.sub(lambda found: bytes.fromhex(found[1].replace("%", "")).decode(), name)
        return key if quote(key) == name else None
    except (UnicodeDecodeError, StoreRefused):  # a name that quote() never makes
        return None
