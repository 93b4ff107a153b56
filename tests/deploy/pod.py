"""A pod of a manifest, run as kubelet has a runtime run it: by runc, with what the manifest says and no more.

The image is stood in for by this machine's own root, under which nothing that is written stays, with
podwire's virtual environment where Containerfile puts it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from podwire.demo.world import World
from tests.deploy.kustomize import Json
from tests.deploy.own_code import mount_own_code

BUNDLES, IMAGE, VOLUMES = "/run/bundles", "/run/image", "/run/volumes"
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"  # where kubelet mounts it
PATH = "/opt/podwire/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # as in Containerfile
PROPAGATION = {"HostToContainer": "rslave", "Bidirectional": "rshared", "None": "rprivate"}
MAKE_IMAGE = f"""
set -e
mkdir -p {IMAGE}/upper {IMAGE}/work {IMAGE}/root
mount -t overlay overlay -o lowerdir=/,upperdir={IMAGE}/upper,workdir={IMAGE}/work {IMAGE}/root
ln -sfn "$1" {IMAGE}/root/opt/podwire
"""


class PodOnNode:
    """A pod spec on a node. `maps` are the ConfigMaps' data by name, `variables` those of kubelet's own."""

    def __init__(
        self, world: World, spec: Json, maps: Mapping[str, Mapping[str, str]], variables: Mapping[str, str]
    ) -> None:
        self.world, self._spec, self._maps, self._variables = world, spec, maps, variables
        world.run(["sh", "-c", MAKE_IMAGE, "sh", sys.prefix])
        mount_own_code(world, f"{IMAGE}/root")
        self._defaults = self._read_defaults()

    def run(self, container: Json) -> subprocess.CompletedProcess[bytes]:
        """Run an init container to its end."""
        return self.world.attempt(self._runc("run", "--bundle", self._bundle(container), container["name"]))

    def start(self, container: Json) -> subprocess.Popen[bytes]:
        """Start a container; what it says is in `log`."""
        bundle = self._bundle(container)
        with self.world.path(f"{bundle}/log").open("wb") as log:
            argv = self._runc("run", "--bundle", bundle, container["name"])
            return self.world.start(argv, stdout=log.fileno(), stderr=log.fileno())

    def log(self, container: Json) -> str:
        """Return what a container that was started has said."""
        return self.world.path(f"{BUNDLES}/{container['name']}/log").read_text(errors="replace")

    def probe(self, container: Json, kind: str) -> str:
        """Ask as kubelet does; return "" if the answer is good, else the answer."""
        probe = container[kind]
        if "exec" in probe:
            done = self.execute(container, *probe["exec"]["command"])
        else:
            url = f"http://127.0.0.1:{probe['httpGet']['port']}{probe['httpGet']['path']}"
            done = self.world.attempt(["busybox", "wget", "-q", "-O", "-", url])
        return "" if done.returncode == 0 else (done.stdout + done.stderr).decode() or "no answer"

    def execute(self, container: Json, *command: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command in a container."""
        return self.world.attempt(self._runc("exec", container["name"], *command))

    def terminate(self, container: Json) -> None:
        """Send what kubelet sends first."""
        self.world.run(self._runc("kill", container["name"], "TERM"))

    def _runc(self, *words: str) -> list[str]:
        return ["runc", "--root", "/run/runc", *words]

    def _read_defaults(self) -> Json:
        """Return runc's own example: its mounts, and what of /proc it hides and makes read-only."""
        self.world.run(["mkdir", "-p", f"{BUNDLES}/default"])
        self.world.run(self._runc("spec", "--bundle", f"{BUNDLES}/default"))
        found: Json = json.loads(self.world.path(f"{BUNDLES}/default/config.json").read_text())
        assert "/proc/sys" in found["linux"]["readonlyPaths"]
        return found

    def _bundle(self, container: Json) -> str:
        bundle = f"{BUNDLES}/{container['name']}"
        self.world.run(["mkdir", "-p", bundle])
        self.world.path(f"{bundle}/config.json").write_text(json.dumps(self._config(container)))
        return bundle

    def _config(self, container: Json) -> Json:
        security, linux = container["securityContext"], self._defaults["linux"]
        granted = [f"CAP_{name}" for name in security["capabilities"].get("add", [])]
        is_shared = {"network": self._spec["hostNetwork"], "uts": self._spec["hostNetwork"]}
        namespaces = [one for one in linux["namespaces"] if not is_shared.get(one["type"])]
        config = {name: self._defaults[name] for name in ("ociVersion",)}
        process: Json = {
            "user": {"uid": 0, "gid": 0}, "cwd": "/", "terminal": False,
            "args": [*container["command"], *container.get("args", [])],
            "env": [f"{name}={value}" for name, value in self._environment(container).items()],
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), granted),
            "noNewPrivileges": not security.get("allowPrivilegeEscalation", True),
        }  # fmt: skip
        kept = {name: linux[name] for name in ("maskedPaths", "readonlyPaths")}
        return config | {
            "process": process,
            "root": {"path": f"{IMAGE}/root", "readonly": security["readOnlyRootFilesystem"]},
            "mounts": [*self._defaults["mounts"], *self._mounts(container)],
            "linux": {"namespaces": namespaces, "cgroupsPath": f"/pod/{container['name']}", **kept},
        }

    def _environment(self, container: Json) -> dict[str, str]:
        """Return the environment in kubelet's order: services', whole maps, single variables."""
        found = {"PATH": PATH, **self._variables}
        for source in container.get("envFrom", []):
            found |= self._maps[source["configMapRef"]["name"]]
        fields = {"spec.nodeName": "node1"}
        for one in container.get("env", []):
            field = one.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
            found[one["name"]] = fields[field] if field else one["value"]
        return found

    def _mounts(self, container: Json) -> list[Json]:
        volumes = {one["name"]: one for one in self._spec["volumes"]}
        mounts = [self._mount(one, volumes[one["name"]]) for one in container["volumeMounts"]]
        account = {"destination": ACCOUNT, "type": "bind", "source": f"{VOLUMES}/account"}
        return [*mounts, account | {"options": ["rbind", "ro", "rprivate"]}]

    def _mount(self, mount: Json, volume: Json) -> dict[str, Any]:
        if "configMap" in volume:
            source = f"{VOLUMES}/{volume['name']}"
            self.world.run(["mkdir", "-p", source])
            for name, text in self._maps[volume["configMap"]["name"]].items():
                self.world.path(f"{source}/{name}").write_text(text)
        else:
            source = volume["hostPath"]["path"]
            assert volume["hostPath"]["type"] == "DirectoryOrCreate"
            self.world.run(["mkdir", "-p", source])
        options = ["rbind", PROPAGATION[mount.get("mountPropagation", "None")]]
        options += ["ro"] if mount.get("readOnly") else ["rw"]
        return {"destination": mount["mountPath"], "type": "bind", "source": source, "options": options}
