"""An ordinary user's images: in a user namespace with one id, where little may be owned or made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.pod_runner.images.making import Made, entry, files, tar

NOBODY = 65534
REPOSITORY = Path(__file__).parents[3]
SCRIPT = """
import shutil, subprocess, sys
from pathlib import Path
from pod_runner.images.root_fs import root_fs
from pod_runner.images.store import ImageStore
from pod_runner.images.users import find_ids

def mount(part, target):
    if part.upper is None:
        subprocess.run(["mount", "--rbind", part.lower[0], target], check=True)
        return
    names = ":".join(map(str, part.lower))
    options = f"lowerdir={names},upperdir={part.upper},workdir={part.work},userxattr"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(target)], check=True)

here = Path(sys.argv[1])
store = ImageStore(here / "store")
target = here / "root"
target.mkdir()
for reference in (f"oci:{here}/layout", "host"):
    root = root_fs(store.ensure(reference), here / reference.partition(":")[0])
    mount(root, target)
    for part in root.parts:
        mount(part, target / part.target)
    if reference == "host":
        print(subprocess.run(["chroot", target, "id", "-u"], capture_output=True, text=True).stdout.strip())
        print(find_ids(store.ensure("host"), "root").uid)
    else:
        print(sorted(str(one.relative_to(target)) for one in target.rglob("*")))
    subprocess.run(["umount", "-R", target], check=True)
store.remove(f"oci:{here}/layout")
shutil.rmtree(here / "oci")
print(store.prune(spare=0))
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """Make a folder of an ordinary user's, with an image in it; tmp_path is root's alone."""
    folder = Path(mkdtemp(prefix="podwire-test-"))
    made = Made()
    low = files(etc__a="low", etc__b="low", c__d="low")
    device = entry("dev/sda", None, type=tarfile.BLKTYPE, devmajor=8, devminor=0)
    owned = entry("etc/a", b"high", uid=1234, gid=1234, mode=0o600)
    high = tar(entry("etc"), owned, entry("etc/.wh.b", b""), entry("c"), entry("c/.wh..wh..opq", b""), device)
    made.image([low, high])
    made.write_layout(folder / "layout")
    for one in (folder, *folder.rglob("*")):
        os.chown(one, NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


def test_images_of_an_ordinary_user(home: Path) -> None:
    into = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    may = subprocess.run([*into, *namespace, "true"], capture_output=True, text=True, check=False)
    if may.returncode:
        pytest.skip(f"an ordinary user may not make a user namespace here: {may.stderr.strip()}")
    done = subprocess.run(
        [*into, *namespace, sys.executable, "-c", SCRIPT, str(home)], capture_output=True, text=True,
        check=False, env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.stdout.splitlines() == ["['c', 'dev', 'etc', 'etc/a']", "0", "0", "13"], done.stderr
