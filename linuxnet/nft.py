"""libnftables in process: what `nft` does, without a process.

The library is the host's own, so what it writes the host's `nft list` can print. A context belongs to
the namespace of the thread that made it.
"""

from __future__ import annotations

import ctypes
import json
import logging
from typing import Any

from linuxnet.errors import KernelError, MissingTool

LIBRARY = "libnftables.so.1"
OUTPUT_JSON = 1 << 4  # NFT_CTX_OUTPUT_JSON (nftables/libnftables.h)
OUTPUT_TERSE = 1 << 11  # NFT_CTX_OUTPUT_TERSE: sets without their elements

LONG = 100_000  # bytes of commands; the library takes a hundred times as much to read them

log = logging.getLogger("podwire.kernel")


class Nft:
    """One libnftables context. Raises MissingTool if the library is not on this machine."""

    def __init__(self) -> None:
        self._library = _load()
        self._context = self._library.nft_ctx_new(0)
        self._library.nft_ctx_buffer_output(self._context)
        self._library.nft_ctx_buffer_error(self._context)

    def close(self) -> None:
        """Free the context."""
        if self._context:
            self._library.nft_ctx_free(self._context)
            self._context = None

    def run(self, commands: str) -> str:
        """Run commands as one transaction and return what they print.

        Raises:
            KernelError: it was refused as a whole; nft's words are kept, an errno it does not tell.
        """
        log.debug("nft %s", commands)
        failed = self._library.nft_run_cmd_from_buffer(self._context, commands.encode())
        said = self._library.nft_ctx_get_output_buffer(self._context) or b""
        error = self._library.nft_ctx_get_error_buffer(self._context) or b""
        if failed:
            raise KernelError(0, f"nft {_brief(commands)}", error.decode("utf-8", "replace").strip())
        text: str = said.decode()
        if len(commands) > LONG:
            _give_back_memory()
        return text

    def query(self, command: str, *, terse: bool = False) -> list[dict[str, Any]]:
        """Run a list command and return libnftables-json(5) objects, without the metainfo."""
        flags = OUTPUT_JSON | (OUTPUT_TERSE if terse else 0)
        self._library.nft_ctx_output_set_flags(self._context, flags)
        try:
            objects = json.loads(self.run(command) or '{"nftables": []}')["nftables"]
        finally:
            self._library.nft_ctx_output_set_flags(self._context, 0)
        return [one for one in objects if "metainfo" not in one]


def _load() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise MissingTool(f"{LIBRARY} is not on this machine; install nftables (libnftables1)") from error
    library.nft_ctx_new.restype = ctypes.c_void_p
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getattr(library, name).restype = ctypes.c_char_p
        getattr(library, name).argtypes = (ctypes.c_void_p,)
    for name in ("nft_ctx_free", "nft_ctx_buffer_output", "nft_ctx_buffer_error"):
        getattr(library, name).argtypes = (ctypes.c_void_p,)
    library.nft_run_cmd_from_buffer.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
    library.nft_ctx_output_set_flags.argtypes = (ctypes.c_void_p, ctypes.c_uint)
    return library


def _give_back_memory() -> None:
    """Let glibc return what was freed: 12 MiB after 5,000 nodes, which it would keep (malloc_trim(3))."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # musl has none
        trim(0)


def _brief(commands: str) -> str:
    line = " ".join(commands.split())
    return line if len(line) <= 200 else line[:200] + "…"
