"""`podwire bundle`: one private archive, complete, without secrets, whoever asks and whatever is down."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.calls import dump, run
from tests.cli.conftest import NOBODY, Cli, run_as_nobody, said
from tests.ways import running_agent

pytestmark = pytest.mark.usefixtures("host")

SECRET = "correct-horse-battery"
CONFIGS = {
    "etc/podwire/agent.toml": f'[log]\nto = "/var/log/podwire.log"\n[etcd]\npassword = "{SECRET}"\n',
    "etc/podwire/net-conf.json": json.dumps({"Network": "10.244.0.0/16", "Backend": {"PSK": f"{SECRET}-2"}}),
    "etc/cni/net.d/10-x.conflist": json.dumps({"name": "x", "url": f"https://me:{SECRET}-3@10.0.0.1/"}),
    "etc/cni/net.d/20-broken.conf": f'{{"name": "broken", "token": "{SECRET}-4"',
    "run/flannel/subnet.env": "FLANNEL_NETWORK=10.244.0.0/16\n",
    "var/lib/podwire/overlay/snapshot.json": json.dumps({"records": [{"token": f"{SECRET}-5"}]}),
    "var/log/podwire.log": f"GET /v3?auth={SECRET} failed\nthe last line\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with a host's files."""
    for path, text in CONFIGS.items():
        (tmp_path / "root" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / path).write_text(text)
    return tmp_path / "root"


def _read(path: Path) -> dict[str, str]:
    """Return the archive's texts by name, without the folder they are all in."""
    found = {}
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None and member.mode == 0o600
            found[member.name.partition("/")[2]] = file.read().decode()
    return found


def _problems(texts: dict[str, str]) -> dict[str, str]:
    return {one["name"]: one["problem"] for one in json.loads(texts["manifest.json"]) if one["problem"]}


def test_everything_is_in_it_and_no_secret(cli: Cli, root: Path, tmp_path: Path) -> None:
    run(["nft", f'add table inet t; add chain inet t c {{ comment "{SECRET}" ; }}'])
    run(["ip", "link", "add", "vx1", "type", "vxlan", "id", "1", "dstport", "8472"])
    result = cli("bundle", tmp_path / "out.tar.gz", "--root", root)
    assert result.exit_code == 0 and result.stdout.strip() == str(tmp_path / "out.tar.gz")

    texts = _read(tmp_path / "out.tar.gz")
    assert not [name for name, text in texts.items() if SECRET in text]
    assert {f"files/{path}" for path in CONFIGS if not path.startswith("var/log")} <= set(texts)
    assert "the last line" in texts["logs/podwire.log"]
    assert json.loads(texts["commands/ip-d-s-j-link.json"])[-1]["ifname"] == "vx1"
    assert json.loads(texts["commands/nft-j-list-ruleset.json"])["nftables"]
    assert "10.244.0.0/16" in texts["doctor.json"]


def test_nobody_else_may_read_it_and_nothing_changes(cli: Cli, root: Path, tmp_path: Path) -> None:
    before = dump()
    cli("bundle", tmp_path / "out.tar.gz", "--root", root)

    assert (tmp_path / "out.tar.gz").stat().st_mode & 0o777 == 0o600
    assert dump() == before


def test_an_agent_that_is_down_is_noted(cli: Cli, root: Path, tmp_path: Path) -> None:
    cli("bundle", tmp_path / "out.tar.gz", "--root", root)

    assert "no agent answers" in _problems(_read(tmp_path / "out.tar.gz"))["agent-status.json"]


def test_an_agent_that_answers_is_in_it(cli: Cli, root: Path, tmp_path: Path) -> None:
    with running_agent(Path("/run/podwire/agent.sock")):
        result = cli("bundle", tmp_path / "out.tar.gz", "--root", root, "-o", "json")
    body: dict[str, Any] = said(result)

    assert body["file"] == str(tmp_path / "out.tar.gz")
    assert json.loads(_read(tmp_path / "out.tar.gz")["agent-status.json"])["pid"] == os.getpid()


def test_a_file_that_is_there_is_kept(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    result = cli("bundle", tmp_path / "mine")

    assert result.exit_code == 1 and "File exists" in result.stderr
    assert (tmp_path / "mine").read_text() == "mine"


def test_an_ordinary_user_gets_what_that_user_may_see() -> None:
    folder = Path("/run/podwire/of-nobody")
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    done = run_as_nobody("bundle", folder / "out.tar.gz")
    assert done.returncode == 0, done.stderr

    texts = _read(folder / "out.tar.gz")
    assert json.loads(texts["commands/ip-d-s-j-link.json"])[0]["ifname"] == "lo"
    assert "permitted" in _problems(texts)["commands/nft-j-list-ruleset.json"]
    assert any(one["state"] == "unseen" for one in json.loads(texts["doctor.json"]))
