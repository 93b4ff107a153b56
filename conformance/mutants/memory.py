"""What mutants remember from call to call, and see for themselves."""

from __future__ import annotations

import json
import os
import subprocess
from hashlib import sha256
from pathlib import Path

from conformance.mutants.mutant import Asked, Given, Good, Json


def failure(asked: Asked, sentence: str) -> Given:
    """Return an error in the form that the specification asks for."""
    error = {
        "cniVersion": asked.config.get("cniVersion", "1.0.0"),
        "code": 199,
        "msg": sentence,
        "details": "",
    }
    return Given(1, json.dumps(error))


def note(asked: Asked, what: str) -> Path:
    """Return the file of a note on an attachment; it is in the world's folder, beside the delegate's."""
    first = asked.environment.get("CNI_PATH", "").split(":")[0]
    folder = Path(first).parent / "mutant" if first else Path("/run/mutant")
    folder.mkdir(parents=True, exist_ok=True)
    key = [asked.environment.get(name, "") for name in ("CNI_CONTAINERID", "CNI_IFNAME")]
    digest = sha256(json.dumps([asked.config.get("name"), *key]).encode()).hexdigest()[:24]
    return folder / f"{what}-{digest}"


def result_of_add(asked: Asked) -> Json | None:
    """Return what `ask_and_remember` wrote for the attachment."""
    path = note(asked, "result")
    found: Json | None = json.loads(path.read_text()) if path.exists() else None
    return found


def ask_and_remember(asked: Asked, good: Good) -> Given:
    """Do what the good plugin does, and remember an ADD's result, until DEL, and its netns."""
    given = good(asked)
    if asked.verb == "ADD" and given.status == 0:
        note(asked, "netns").write_text(asked.environment.get("CNI_NETNS", ""))
        _write_whole(note(asked, "result"), json.dumps(given.document or asked.previous))
    elif asked.verb == "DEL":
        note(asked, "result").unlink(missing_ok=True)
    return given


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that whoever is killed in between leaves none."""
    draft = path.with_name(f"{path.name}-{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)


def links_in(netns: str) -> dict[str, Json]:
    """Return the interfaces of a namespace, or of the host for "", by name; {} where it is not there."""
    before = ("nsenter", f"--net={netns}") if netns else ()
    done = subprocess.run((*before, "ip", "-j", "link", "show"), capture_output=True, check=False)
    return {one["ifname"]: one for one in json.loads(done.stdout or "[]")}


def change_routes(asked: Asked, verb: str, netns: str = "") -> None:
    """Add ("replace") or remove ("del") a route to nobody that is the attachment's."""
    names = [asked.environment.get(name, "") for name in ("CNI_CONTAINERID", "CNI_IFNAME")]
    digest = sha256(" ".join(names).encode(errors="surrogateescape")).digest()
    before = ("nsenter", f"--net={netns}") if netns else ()
    words = (*before, "ip", "route", verb, "blackhole", f"198.19.{digest[0]}.{digest[1]}")  # RFC 2544
    subprocess.run(words, capture_output=True, check=False)


def netns_of(asked: Asked) -> str:
    """Return CNI_NETNS where it is set and exists."""
    path = asked.environment.get("CNI_NETNS", "")
    return path if is_netns(path) else ""


def is_netns(path: str) -> bool:
    """Tell whether a path may be one of a namespace: a file that can be opened without waiting."""
    return os.path.isfile(path)  # noqa: PTH113  a path may be too long, and is then none
