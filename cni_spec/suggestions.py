"""What somebody probably meant, who wrote a word that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def suggest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean "x"?`, or "" if nothing is near."""
    folded = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.7)
    return f'; did you mean "{folded[near[0]]}"?' if near else ""
