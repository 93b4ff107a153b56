"""Say sentences on a terminal, and show what commands printed; coloured only where a person reads it."""

from __future__ import annotations

import os
from typing import TextIO

BOLD, DIM, GREEN, RED, PLAIN = "\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m"


class Report:
    """Write to one stream. NO_COLOR in the environment turns colour off (no-color.org)."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_coloured = stream.isatty() and "NO_COLOR" not in os.environ

    def step(self, sentence: str) -> None:
        """Open a part of the show."""
        self._write(f"\n{self._paint(BOLD, sentence)}")

    def say(self, sentence: str) -> None:
        """Tell what happened."""
        self._write(f"  {sentence}")

    def good(self, sentence: str) -> None:
        """Tell what was verified."""
        self._write(f"  {self._paint(GREEN, sentence)}")

    def bad(self, sentence: str) -> None:
        """Tell what is not as it should be."""
        self._write(f"  {self._paint(RED, sentence)}")

    def shown(self, text: str) -> None:
        """Quote what a command printed."""
        for line in text.rstrip().splitlines():
            self._write(f"    {self._paint(DIM, line)}")

    def _paint(self, colour: str, text: str) -> str:
        return f"{colour}{text}{PLAIN}" if self._is_coloured else text

    def _write(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()
