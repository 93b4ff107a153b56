"""What can end a show."""

from __future__ import annotations


class ShowError(RuntimeError):
    """Say which claim of the show did not hold."""
