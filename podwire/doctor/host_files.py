"""The host's files, below a root: what is not there is None, what may not be read is an error."""

from __future__ import annotations

from configparser import ConfigParser
from configparser import Error as IniError
from dataclasses import dataclass
from pathlib import Path

from linuxnet.errors import KernelError

FILE_LIMIT = 1 << 20  # bytes; what a person has written is smaller
VENDOR_FOLDERS = ("etc", "run", "usr/local/lib", "usr/lib", "lib")  # the first wins: systemd.unit(5)


@dataclass(frozen=True)
class HostFiles:
    """Files below a root: "/" but for tests."""

    root: Path = Path("/")

    def at(self, path: str) -> Path:
        """Return where a path of the host is."""
        return self.root / path.lstrip("/")

    def read(self, path: str) -> str | None:
        """Return a file's text, None if there is none. Raises OSError if it may not be read."""
        try:
            with self.at(path).open(encoding="utf-8", errors="replace") as file:
                return file.read(FILE_LIMIT)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def has(self, path: str) -> bool:
        """Tell whether there is something at a path."""
        return self.at(path).exists()

    def drop_ins(self, folder: str, suffix: str) -> list[Path]:
        """Return the files of a folder below etc, run and usr/lib, by name; of one name the first counts."""
        found: dict[str, Path] = {}
        for place in VENDOR_FOLDERS:
            for path in sorted(self.at(f"{place}/{folder}").glob(f"*{suffix}")):
                found.setdefault(path.name, path)
        return [found[name] for name in sorted(found)]


def parse_ini(text: str, where: str) -> ConfigParser:
    """Read a file of systemd's or NetworkManager's. Keys keep their case, "%" means nothing.

    Raises:
        KernelError: it is no such file; the message names it and the line.
    """
    parser = ConfigParser(
        interpolation=None, strict=False, delimiters=("=",), comment_prefixes=("#", ";"), allow_no_value=True
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # configparser's own way to say it
    try:
        parser.read_string(text, where)
    except IniError as error:
        raise KernelError(0, f"read {where}", str(error).replace("\n", " ")) from error
    return parser


def parse_assignments(text: str) -> dict[str, str]:
    """Read KEY=VALUE lines, as a shell or systemd would write them; quotes are taken off."""
    found = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not key.lstrip().startswith("#"):
            found[key.strip()] = value.strip().strip("\"'")
    return found
