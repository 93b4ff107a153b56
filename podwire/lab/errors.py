"""What can be wrong with a lab, as a sentence for the person at its command line."""

from __future__ import annotations

from cni_spec.errors import IO_FAILURE, CniError


class LabError(CniError):
    """Something of a lab is not there, or did not come up; the message says which and what to do."""

    def __init__(self, msg: str, details: str = "") -> None:
        super().__init__(IO_FAILURE, msg, details)
