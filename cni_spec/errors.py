"""CniError: the one exception that becomes an error object on stdout.

Codes 1 to 99 have the meanings of CNI 1.1.0 section 5 (Error); 100 and up are ours, listed here so that
no two rooms use one number for two things.
"""

from __future__ import annotations

import json

INCOMPATIBLE_VERSION = 1
UNSUPPORTED_FIELD = 2  # the message must hold key and value
UNKNOWN_CONTAINER = 3  # the runtime need not call DEL
INVALID_ENVIRONMENT = 4  # the message must name the variables
IO_FAILURE = 5
DECODING_FAILURE = 6
INVALID_CONFIG = 7
TRY_AGAIN_LATER = 11
NOT_AVAILABLE = 50  # STATUS: ADD cannot be served
LIMITED_CONNECTIVITY = 51  # STATUS: nor do containers that exist work as they should

INTERFACE_EXISTS = 100
KERNEL_REFUSED = 101  # the kernel, nft or iptables said no; details carry its words
CHECK_FAILED = 102  # something ADD made is missing or changed
ADDRESSES_EXHAUSTED = 103
HOST_PORT_TAKEN = 104
DELEGATE_FAILED = 105  # a delegated plugin could not be run, or spoke no CNI
ALREADY_ALLOCATED = 106
MISSING_TOOL = 107  # nft, iptables or a library is not on this machine
INTERNAL = 999  # a defect of ours


class CniError(Exception):
    """Say what went wrong to the person who must act.

    `code` is one of the numbers above, `msg` one sentence, `details` what the kernel or a delegate said.
    Notes that were added on the way (`add_note`, a failing undo for one) are printed after the details.
    """

    def __init__(self, code: int, msg: str, details: str = "") -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg
        self.details = details

    def to_json(self, cni_version: str) -> str:
        """Print the error object (CNI 1.1.0 section 5) on one line per key, without a final newline."""
        notes = [*([self.details] if self.details else []), *getattr(self, "__notes__", ())]
        body = {"cniVersion": cni_version, "code": self.code, "msg": self.msg}
        return json.dumps(body | ({"details": "\n".join(notes)} if notes else {}), indent=4)


class CheckFailed(CniError):
    """Something that ADD made is missing or changed; the message says which."""

    def __init__(self, msg: str, details: str = "") -> None:
        super().__init__(CHECK_FAILED, msg, details)
