"""Configuration files -> NetworkList: which files there are, and in which order they count.

As in libcni: `*.conflist` in lexical order, then single `*.conf` and `*.json`; a list is completed by the
files of a directory beside it that bears the network's name. Unlike libcni, a file that cannot be read
does not hide a good one after it: it becomes a remark.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cni_spec.errors import INVALID_CONFIG, IO_FAILURE, CniError
from cni_spec.json_input import SIZE_LIMIT
from cni_spec.network_list import NetworkList, PluginEntry, parse_network_list, parse_plugin, parse_single


@dataclass(frozen=True)
class Found:
    """A network that is ready to be used, and what is to be said about the files on the way to it."""

    network: NetworkList
    remarks: tuple[str, ...] = ()


def load_network(name: str, directory: Path) -> Found:
    """Return the first network of that name.

    Raises:
        CniError: code 7, if there is none; the files that could not be read are named.
    """
    broken: list[str] = []
    for path in list_files(directory, ".conflist") + list_files(directory, ".conf", ".json"):
        try:
            network = _parse(path)
            if network.name == name:
                return Found(_complete(network, path), tuple(broken))
        except CniError as error:
            broken.append(f"{path} is no configuration: {error.msg}")
    raise CniError(INVALID_CONFIG, f'there is no network "{name}" in {directory}', "\n".join(broken))


def read_list_file(path: Path) -> NetworkList:
    """Read one file, completed by its drop-in directory. Raises CniError for what is wrong with it."""
    return _complete(_parse(path), path)


def read_file(path: Path) -> bytes:
    """Read a configuration file, one byte more than the limit at most.

    Raises:
        CniError: code 5, with the system's words.
    """
    try:
        with path.open("rb") as file:
            return file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise CniError(IO_FAILURE, f"{path}: {error.strerror}") from error


def list_files(directory: Path, *suffixes: str) -> list[Path]:
    """Return the regular files of a directory with one of the suffixes, in lexical order."""
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if path.suffix in suffixes and path.is_file())


def _parse(path: Path) -> NetworkList:
    parse = parse_network_list if path.suffix == ".conflist" else parse_single
    return parse(read_file(path), str(path))


def _complete(network: NetworkList, path: Path) -> NetworkList:
    if path.suffix == ".conflist" and not network.load_only_inlined:
        network = network.with_plugins(tuple(_drop_ins(path.parent / network.name)))
    network.require_plugins()
    return network


def _drop_ins(directory: Path) -> Iterator[PluginEntry]:
    for path in list_files(directory, ".conf"):
        yield parse_plugin(read_file(path), str(path))
