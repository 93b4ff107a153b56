"""Speak the Container Runtime Interface to a containerd, as a kubelet does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc

from podwire.demo.busybox_image import BUSYBOX
from podwire.demo.conflists import PortMapping
from podwire.demo.world import DEADLINE
from tests.clients.cri_messages import PACKAGE, build_classes

CLASSES = build_classes()
Json = dict[str, Any]


class Cri:
    """Hold a connection to the socket of a runtime; a context manager that closes it."""

    def __init__(self, socket: Path) -> None:
        self._channel = grpc.insecure_channel(f"unix://{socket}")

    def __enter__(self) -> Cri:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def call(self, method: str, /, **fields: object) -> Any:
        """Call a method of the RuntimeService and return its response.

        Raises:
            grpc.RpcError: the runtime refused, or did not answer in time.
        """
        invoke = self._channel.unary_unary(
            f"/{PACKAGE}.RuntimeService/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=CLASSES[f"{method}Response"].FromString,
        )
        return invoke(CLASSES[f"{method}Request"](**fields), timeout=DEADLINE, wait_for_ready=True)

    def run_pod(self, config: Mapping[str, object]) -> str:
        """Start a pod's sandbox and return its id."""
        return str(self.call("RunPodSandbox", config=config).pod_sandbox_id)

    def remove_pod(self, sandbox: str) -> None:
        """Stop a sandbox and its containers, and remove them."""
        self.call("StopPodSandbox", pod_sandbox_id=sandbox)
        self.call("RemovePodSandbox", pod_sandbox_id=sandbox)

    def address(self, sandbox: str) -> str:
        """Return the address that the runtime reports for a pod."""
        return str(self.call("PodSandboxStatus", pod_sandbox_id=sandbox).status.network.ip)

    def start_container(self, sandbox: str, config: Mapping[str, object]) -> str:
        """Start a container that sleeps in a pod and return its id."""
        container = {
            "metadata": {"name": "main"},
            "image": {"image": BUSYBOX},
            "command": ["sleep", "2147483647"],  # seconds; until it is killed
        }
        request: Json = {"pod_sandbox_id": sandbox, "config": container, "sandbox_config": config}
        created = str(self.call("CreateContainer", **request).container_id)
        self.call("StartContainer", container_id=created)
        return created

    def execute(self, container: str, *command: str) -> str:
        """Run a command in a container; it must succeed within 20 seconds. Return what it printed."""
        done = self.call("ExecSync", container_id=container, cmd=command, timeout=20)
        assert done.exit_code == 0, f"{command}: {done.stderr.decode()}"
        return str(done.stdout.decode())


def pod(name: str, ports: Sequence[PortMapping] = ()) -> Json:
    """Describe a pod (PodSandboxConfig)."""
    mappings = [{"container_port": port.container_port, "host_port": port.host_port} for port in ports]
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "namespace": "shown"},
        "hostname": name,
        "port_mappings": mappings,
        "linux": {},
    }
