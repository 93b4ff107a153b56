"""Mounts and files of a program as commands: what `listing` says of calls that have a path."""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import replace

from pod_runner.kernel import mounting
from pod_runner.kernel.listing_state import Listing, Place, number, packed, text
from pod_runner.kernel.program import Call, Result, Text
from pod_runner.kernel.steps import quoted

ROOT = "$ROOT"
STAGE = "/sys"  # as in container/sandbox_program.py
FLAGS = {
    mounting.MS_RDONLY: "ro", mounting.MS_NOSUID: "nosuid", mounting.MS_NODEV: "nodev",
    mounting.MS_NOEXEC: "noexec", mounting.MS_STRICTATIME: "strictatime",
}  # fmt: skip
ATTRIBUTES = {
    mounting.MOUNT_ATTR_RDONLY: "ro", mounting.MOUNT_ATTR_NOSUID: "nosuid",
    mounting.MOUNT_ATTR_NODEV: "nodev", mounting.MOUNT_ATTR_NOEXEC: "noexec",
}  # fmt: skip
BELOW = {"/proc": "proc", "/sys/fs/cgroup": "cgroupfs", "/sys": "sys", "/dev/shm": "shm", "/dev": "dev"}


def open_file(listing: Listing, one: Call) -> None:
    """openat(2), openat2(2): a descriptor is a path from now on."""
    folder, path = one.arguments[0], text(one.arguments[1])
    above = "" if folder == mounting.AT_FDCWD else listing.place(folder).path
    found = path if not above else above if path == "." else f"{above.rstrip('/')}/{path}"
    if listing.abroad:
        found = f"{listing.abroad}:{found}"
    how = one.arguments[2]
    is_folder = isinstance(how, bytes) and struct.unpack("=3Q", how)[0] & os.O_DIRECTORY
    if found == STAGE and is_folder and not listing.is_pivoted:
        found = ROOT
    assert one.result is not None
    listing.places[one.result] = Place(
        found, is_written=one.name == "openat", is_optional=one.name == "openat2" and one.on_error > 0
    )


def duplicate(listing: Listing, one: Call) -> None:
    """dup3(2): a number of the program's choice."""
    listing.places[number(one.arguments[1])] = listing.place(one.arguments[0])


def make_folder(listing: Listing, one: Call) -> None:
    """mkdirat(2)."""
    path = _joined(listing, one)
    listing.say(f"mkdir -p {quoted(path)}", _why(path))


def make_node(listing: Listing, one: Call) -> None:
    """mknodat(2)."""
    path, mode, device = _joined(listing, one), number(one.arguments[2]), number(one.arguments[3])
    if stat.S_ISREG(mode):
        listing.say(f"touch {quoted(path)}", _why(path))
        return
    numbers = f"{os.major(device)} {os.minor(device)}"
    listing.say(f"mknod -m {stat.S_IMODE(mode):o} {quoted(path)} c {numbers}", _why(path))


def link(listing: Listing, one: Call) -> None:
    """symlinkat(2)."""
    path = f"{listing.place(one.arguments[1]).path}/{text(one.arguments[2])}"
    listing.say(f"ln -s {text(one.arguments[0])} {quoted(path)}", _why(path))


def mount(listing: Listing, one: Call) -> None:
    """mount(2): by name, or of what was opened as TARGET_FD."""
    source, target, kind, flags, data = one.arguments
    if kind == 0:
        listing.say("mount --make-rprivate /", "private")
        return
    place = Place(ROOT if text(target) == STAGE else text(target))
    if place.path == f"/proc/self/fd/{mounting.TARGET_FD}":
        place = listing.place(mounting.TARGET_FD)
    path = place.path
    options = [word for bit, word in FLAGS.items() if number(flags) & bit]
    options += [_named(listing, data.text)] if isinstance(data, Text) else []
    said = f" -o {','.join(options)}" if options else ""
    why = "mask" if "size=0" in said else "root" if text(kind) == "overlay" else _why(path)
    listing.say(f"{_if_there(place)}mount -t {text(kind)}{said} {text(source)} {quoted(path)}", why)


def copy_tree(listing: Listing, one: Call) -> None:
    """open_tree(2): a copy of mounts that is nowhere yet."""
    assert one.result is not None
    word = "rbind" if number(one.arguments[2]) & mounting.AT_RECURSIVE else "bind"
    listing.places[one.result] = replace(listing.place(one.arguments[0]), options=(word,))


def set_attributes(listing: Listing, one: Call) -> None:
    """mount_setattr(2): of a copy, or of what is mounted."""
    target, tree = one.arguments[0], listing.place(one.arguments[0])
    attributes = struct.unpack("=4Q", packed(one.arguments[3]))[0]
    found = [word for bit, word in ATTRIBUTES.items() if attributes & bit]
    if tree.options is None:
        path = "/" if target == mounting.AT_FDCWD else tree.path
        listing.say(f"mount -o {','.join(['remount', 'bind', *found])} {quoted(path)}", _why(path))
        return
    if attributes & mounting.MOUNT_ATTR_IDMAP:
        found.append("X-mount.idmap=/proc/$PAUSE/ns/user")
    assert isinstance(target, Result)
    listing.places[target] = replace(tree, options=tuple(dict.fromkeys([*tree.options, *found])))


def attach_tree(listing: Listing, one: Call) -> None:
    """move_mount(2): a copy is mounted."""
    tree, target = listing.place(one.arguments[0]), listing.place(one.arguments[2])
    if listing.is_abroad(tree):
        listing.remark(f"open_tree(2) of {tree.path}, then move_mount(2): no command is in two places", "shm")
        listing.say(
            f"mount -t tmpfs -o nosuid,nodev,noexec,mode=1777,size=64m tmpfs {quoted(target.path)}", "shm"
        )
    elif tree.options is None:
        listing.remark(one.meaning, "dev")
    else:
        is_mask = tree.path.endswith("/dev/null") or tree.path == target.path
        command = f"mount -o {','.join(tree.options)} {quoted(tree.path)} {quoted(target.path)}"
        listing.say(_if_there(target) + command, "mask" if is_mask else _why(target.path))


def enter_folder(listing: Listing, one: Call) -> None:
    """chdir(2), fchdir(2)."""
    is_open = one.name == "fchdir"
    path = listing.place(one.arguments[0]).path if is_open else text(one.arguments[0])
    if path != "." and not (listing.is_pivoted and is_open and path == "/"):
        listing.say(f"cd {quoted(path)}", "pivot")


def pivot(listing: Listing, _: Call) -> None:
    """pivot_root(2)."""
    listing.is_pivoted = True
    listing.say("pivot_root . .", "pivot")


def unmount(listing: Listing, one: Call) -> None:
    """umount2(2)."""
    listing.say(f"umount -l {text(one.arguments[0])}", "pivot")


def _if_there(place: Place) -> str:
    return f"[ ! -e {quoted(place.path)} ] || " if place.is_optional else ""


def _joined(listing: Listing, one: Call) -> str:
    return f"{listing.place(one.arguments[0]).path.rstrip('/')}/{text(one.arguments[1])}"


def _named(listing: Listing, options: str) -> str:
    """Put the paths of layers where the options have descriptors."""
    for key in [key for key in listing.places if isinstance(key, int)]:
        options = options.replace(f"/proc/self/fd/{key}", listing.places[key].path)
    return options


def _why(path: str) -> str:
    below = path.removeprefix(ROOT)
    if below in ("", "/shm"):
        return "shm" if below else "root"
    return next((why for start, why in BELOW.items() if below.startswith(start)), "volume")
