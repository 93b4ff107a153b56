"""Layers: what overlayfs makes of them, and that nothing gets out of the folder they are unpacked into."""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import stat
import struct
import subprocess
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest

from pod_runner.images.errors import ImageError
from pod_runner.images.streams import decompressed
from pod_runner.images.unpacking import Limits, Unpacked, unpack
from tests.pod_runner.images.looking import dump, overlay
from tests.pod_runner.images.making import entry, files, link, tar

CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)  # vfs_cap_data: CAP_NET_RAW, effective
MUTATIONS = 400


def unpacked(body: bytes, folder: Path, limits: Limits | None = None) -> Unpacked:
    folder.mkdir()
    return unpack(io.BytesIO(body), folder, limits or Limits())


@pytest.fixture
def layers(tmp_path: Path) -> tuple[Path, Path]:
    """Return a folder with something beside the place where layers are unpacked."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("ours")
    return tmp_path / "outside", tmp_path / "layer"


def test_files_folders_links_and_their_looks_are_kept(tmp_path: Path) -> None:
    body = tar(
        entry("./"), entry("bin/"), entry("bin/su", b"x", mode=0o4755, uid=7, gid=8, mtime=1000.5),
        link("bin/sh", "su"), link("bin/hard", "bin/su", tarfile.LNKTYPE),
        entry("pipe", None, type=tarfile.FIFOTYPE, mode=0o600), entry("tmp", mode=0o1777, mtime=5),
        entry("deep/er/file", b"implied"),
    )  # fmt: skip
    done = unpacked(body, tmp_path / "layer")
    assert dump(tmp_path / "layer") == {
        "bin": "drwxr-xr-x 0:0", "bin/su": "-rwsr-xr-x 7:8 x", "bin/sh": "lrwxrwxrwx 0:0 su",
        "bin/hard": "-rwsr-xr-x 7:8 x", "pipe": "prw------- 0:0", "tmp": "drwxrwxrwt 0:0",
        "deep": "drwxr-xr-x 0:0", "deep/er": "drwxr-xr-x 0:0", "deep/er/file": "-rw-r--r-- 0:0 implied",
    }  # fmt: skip
    assert (tmp_path / "layer/bin/su").stat().st_mtime == 1000.5
    assert (tmp_path / "layer/tmp").stat().st_mtime == 5
    assert (tmp_path / "layer/bin/hard").samefile(tmp_path / "layer/bin/su")
    assert (done.size, done.entries, done.skipped) == (len("x") + len("implied"), 8, 0)


def test_capabilities_are_kept_and_attributes_of_overlayfs_are_not(tmp_path: Path) -> None:
    info, body = entry("ping", b"x")
    info.pax_headers = {
        "SCHILY.xattr.security.capability": CAPABILITY.decode("utf-8", "surrogateescape"),
        "SCHILY.xattr.trusted.overlay.redirect": "/etc",
        "SCHILY.xattr.user.overlay.redirect": "/etc",
        "SCHILY.xattr.user.mime": "text",
    }
    unpacked(tar((info, body)), tmp_path / "layer")
    ping = tmp_path / "layer/ping"
    assert os.getxattr(ping, "security.capability")[:8] == CAPABILITY[:8]
    assert sorted(os.listxattr(ping)) == ["security.capability", "user.mime"]


def test_whiteouts_hide_what_is_below(tmp_path: Path) -> None:
    unpacked(files(a__old="1", a__kept="2", b__x="3", c__y="4", d="5"), tmp_path / "lower")
    upper = tar(
        entry("a"), entry("a/.wh.old", b""), entry("b"), entry("b/.wh..wh..opq", b""), entry("b/new", b"6"),
        entry(".wh.c", b""), entry("c"), entry("c/z", b"7"), entry(".wh.d", b""), entry(".wh..wh.plnk", b""),
        entry(".wh.e", b""),
    )  # fmt: skip
    unpacked(upper, tmp_path / "upper")
    assert stat.S_ISCHR((tmp_path / "upper/a/old").lstat().st_mode)
    with overlay([tmp_path / "upper", tmp_path / "lower"], tmp_path / "mount") as root:
        assert sorted(dump(root)) == ["a", "a/kept", "b", "b/new", "c", "c/z"]


def test_a_whiteout_hides_nothing_of_its_own_layer(tmp_path: Path) -> None:
    unpacked(files(a__low="1", f="low"), tmp_path / "lower")
    body = tar(
        entry("a"), entry("a/high", b"2"), entry(".wh.a", b""), entry("f", b"new"), entry(".wh.f", b"")
    )
    unpacked(body, tmp_path / "upper")
    with overlay([tmp_path / "upper", tmp_path / "lower"], tmp_path / "mount") as root:
        assert sorted(dump(root)) == ["a", "a/high", "f"]
        assert (root / "f").read_text() == "new"


def test_later_entries_replace_earlier_ones(tmp_path: Path) -> None:
    body = tar(
        entry("a", b"file"), entry("a"), entry("a/b", b"1"), entry("c/d", b"2"), link("c", "/etc"),
        entry("e", b"1"), entry("e", b"22"),
    )  # fmt: skip
    unpacked(body, tmp_path / "layer")
    found = dump(tmp_path / "layer")
    assert found == {
        "a": "drwxr-xr-x 0:0", "a/b": "-rw-r--r-- 0:0 1", "c": "lrwxrwxrwx 0:0 /etc",
        "e": "-rw-r--r-- 0:0 22",
    }  # fmt: skip


def hostile(outside: Path) -> dict[str, bytes]:
    """Return layers that want to write, or read, beside their folder."""
    way = f"../{outside.name}"
    return {
        "dots": tar(entry(f"{way}/secret", b"theirs")),
        "dots inside": tar(entry(f"a/../../{outside.name}/secret", b"theirs")),
        "absolute": tar(entry(f"{outside}/secret", b"theirs")),
        "symlink": tar(link("l", str(outside)), entry("l/secret", b"theirs")),
        "relative symlink": tar(link("l", way), entry("l/secret", b"theirs")),
        "symlink to root": tar(link("l", "/"), entry(f"l{outside}/secret", b"theirs")),
        "two symlinks": tar(link("a", ".."), link("b", f"a/{outside.name}"), entry("b/secret", b"theirs")),
        "symlink as file": tar(link("f", f"{outside}/secret"), entry("f", b"theirs")),
        "symlink as folder": tar(
            link("l", str(outside)), entry("l", mode=0o777), entry("l/secret", b"theirs")
        ),
        "hard link": tar(link("h", f"{outside}/secret", tarfile.LNKTYPE), entry("h", b"theirs")),
        "hard link by dots": tar(link("h", f"{way}/secret", tarfile.LNKTYPE)),
        "hard link by symlink": tar(link("l", str(outside)), link("h", "l/secret", tarfile.LNKTYPE)),
        "whiteout": tar(entry(f"{way}/.wh.secret", b"")),
        "whiteout by symlink": tar(link("l", str(outside)), entry("l/.wh.secret", b"")),
        "opaque by symlink": tar(link("l", str(outside)), entry("l/.wh..wh..opq", b"")),
        "whiteout of dots": tar(entry("a/.wh...", b"")),
        "whiteout of nothing": tar(entry("a/.wh.", b"")),
        "magic link": tar(link("l", "/proc/self/root"), entry(f"l{outside}/secret", b"theirs")),
        "magic folder": tar(link("l", "/proc/self/cwd"), entry("l/secret", b"theirs")),
        "mode by symlink": tar(entry("l", mode=0o777), link("l", str(outside))),
        "a device of the node": tar(
            entry("d", None, type=tarfile.BLKTYPE, devmajor=254, devminor=0), link("l", "/dev/null")
        ),
        "the root a file": tar(entry(".", b"x")),
        "the root a link": tar(link("./", str(outside))),
    }


@pytest.mark.parametrize("name", hostile(Path("/x/outside")))
def test_nothing_gets_out(name: str, layers: tuple[Path, Path]) -> None:
    outside, layer = layers
    before = dump(outside.parent), outside.stat()
    with suppress(ImageError):
        unpacked(hostile(outside)[name], layer)
    assert {
        path: what for path, what in dump(outside.parent).items() if not path.startswith("layer")
    } == before[0]
    assert outside.stat() == before[1]
    inside = [path for path in layer.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not any(path.samefile(outside / "secret") for path in inside)


def test_a_device_that_overlayfs_would_take_for_a_whiteout_is_left_out(tmp_path: Path) -> None:
    body = tar(entry("w", None, type=tarfile.CHRTYPE, devmajor=0, devminor=0), entry("f", b""))
    assert unpacked(body, tmp_path / "layer").skipped == 1
    assert list(dump(tmp_path / "layer")) == ["f"]


REFUSED = {
    "no tar": (b"what is this" * 100, "not a tar file"),
    "a file in the way": (tar(entry("a", b"1"), entry("a/b", b"2")), "a file stands where"),
    "a link to nothing": (tar(link("h", "missing", tarfile.LNKTYPE)), "which the layer does not have"),
    "a name too long": (tar(entry("a/" * 2100 + "b", b"")), "no path for a file"),
    "too deep": (tar(entry("a/" * 300 + "b", b"")), "folders below each other"),
    "a part too long": (tar(entry("a" * 300, b"")), "File name too long"),
    "cut off": (tar(entry("a", b"1" * 5000))[:3000], "unexpected end of data"),
    "many": (tar(*(entry(f"f{number}", b"") for number in range(12))), "more than 10 files"),
    "large": (tar(entry("f", b"0" * 2000)), "more than 1000 bytes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_a_layer_is_refused_with_a_sentence(name: str, tmp_path: Path) -> None:
    body, said = REFUSED[name]
    with pytest.raises(ImageError, match=said):
        unpacked(body, tmp_path / "layer", Limits(size=1000 if name == "large" else 100_000, entries=10))


class Endless:
    """A pax header that says it is 8 GiB long, and zeros for ever; counts what was asked at once."""

    def __init__(self) -> None:
        info = tarfile.TarInfo("././@PaxHeader")
        info.type, info.size = tarfile.XHDTYPE, 8 << 30
        self._head = info.tobuf(tarfile.GNU_FORMAT)
        self.largest = 0

    def read(self, size: int, /) -> bytes:
        self.largest = max(self.largest, size)
        data, self._head = self._head[:size], self._head[size:]
        return data or bytes(size)


def test_a_header_without_end_takes_no_memory(tmp_path: Path) -> None:
    stream = Endless()
    with pytest.raises(ImageError, match="a header of"):
        unpack(stream, tmp_path)
    assert stream.largest <= 1 << 20


def test_damage_anywhere_is_an_error_or_nothing(tmp_path: Path) -> None:
    """Random bytes of a tar are changed: no exception but ImageError, and nothing outside."""
    (tmp_path / "outside").mkdir()
    info, body = entry("l/x", b"1" * 600, pax_headers={"SCHILY.xattr.user.a": "b", "mtime": "1.5"})
    whole = tar(entry("a"), link("l", "a"), (info, body), entry("a/.wh.y", b""), entry("n" * 150, b"2"))
    chance = random.Random(6)  # the same every time
    for number in range(MUTATIONS):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        folder = tmp_path / f"layer{number}"
        with suppress(ImageError):
            unpacked(_mended(damaged, chance), folder)
    assert not list((tmp_path / "outside").iterdir())
    assert {one.name[:5] for one in tmp_path.iterdir()} == {"layer", "outsi"}


def _mended(damaged: bytearray, chance: random.Random) -> bytes:
    """Give each header a right check sum, mostly, so that the damage is looked at."""
    for at in range(0, len(damaged) - 511, 512):
        if damaged[at + 257 : at + 262] == b"ustar" and chance.random() < 0.9:
            damaged[at + 148 : at + 156] = b" " * 8
            damaged[at + 148 : at + 156] = b"%06o\0 " % sum(damaged[at : at + 512])
    return bytes(damaged)


def test_zstd_is_read_by_the_program(tmp_path: Path) -> None:
    if shutil.which("zstd") is None:
        pytest.skip("there is no program zstd here")
    body = files(a="text" * 100_000)
    packed = subprocess.run(["zstd", "-q"], input=body, capture_output=True, check=True).stdout
    assert _read(packed) == body
    with pytest.raises(ImageError, match="damaged"):
        _read(packed[:-20])


def test_zstd_without_the_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageError, match="there is no program zstd here"):
        _read(b"\x28\xb5\x2f\xfd")


def test_a_damaged_gzip_is_an_error_and_no_crash() -> None:
    packed = gzip.compress(files(a="".join(map(str, range(2000)))))
    for damaged in (packed[:100], packed[:-4] + b"0000", packed[:50] + b"x" + packed[51:]):
        with pytest.raises(ImageError, match="damaged"):
            _read(damaged)


def _read(packed: bytes) -> bytes:
    stream, parts = decompressed(io.BytesIO(packed), "a layer"), []
    while data := stream.read(65536):
        parts.append(data)
    return b"".join(parts)
