"""docker:// through skopeo, where it is installed: it knows logins, tokens, mirrors and signatures."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pod_runner.images.errors import ImageError
from pod_runner.images.layouts import open_layout
from pod_runner.images.reference import Reference
from pod_runner.images.sources import ImageSource

DEADLINE = 1800  # seconds; 10 GiB by a slow line


def has_skopeo() -> bool:
    """Tell whether skopeo is installed."""
    return shutil.which("skopeo") is not None


@contextmanager
def copied_image(reference: Reference, folder: Path) -> Iterator[ImageSource]:
    """Have skopeo copy an image into a layout below `folder`, which is gone at the end.

    Raises:
        ImageError: with skopeo's last words.
    """
    with TemporaryDirectory(prefix="skopeo-", dir=folder) as into:
        _copy(reference, Path(into))
        with open_layout(Path(into)) as images:
            if not images:
                raise ImageError(f"{reference.name}: skopeo copied nothing")
            yield images[0]


def _copy(reference: Reference, into: Path) -> None:
    argv = ["skopeo", "copy", "--quiet", f"docker://{reference.name}", f"oci:{into}:image"]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=DEADLINE,
            env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ImageError(f"{reference.name}: skopeo has not ended after {DEADLINE} s") from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ImageError(f"{reference.name}: skopeo: {said[:500]}")
