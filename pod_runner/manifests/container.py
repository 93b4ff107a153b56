"""Container and what stands in it, typed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pod_runner.manifests.model import (
    FieldReference,
    Items,
    KeyReference,
    KubeModel,
    LocalReference,
    PortOrName,
    Quantity,
    ResourceReference,
    Text,
)
from pod_runner.manifests.quantity import cpu, memory
from pod_runner.manifests.security import SecurityContext
from pod_runner.manifests.volumes import VolumeMount


class EnvVarSource(KubeModel):
    """Where a variable's value comes from: one of them."""

    config_map_key_ref: KeyReference | None = None
    field_ref: FieldReference | None = None
    resource_field_ref: ResourceReference | None = None


class EnvVar(KubeModel):
    """A variable; `value` may name earlier ones as $(NAME)."""

    name: str
    value: Text = ""
    value_from: EnvVarSource | None = None


class EnvFrom(KubeModel):
    """All keys of a ConfigMap as variables."""

    prefix: str = ""
    config_map_ref: LocalReference | None = None


class ContainerPort(KubeModel):
    """A port that a container listens at; `host_port` 0: none of the node's."""

    container_port: int
    name: str = ""
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    host_port: int = 0
    host_ip: str = Field("", alias="hostIP")


class ExecAction(KubeModel):
    """A command in the container; exit code 0 is success."""

    command: Items[str] = ()


class HttpHeader(KubeModel):
    """A header of a request."""

    name: str
    value: str


class HttpGetAction(KubeModel):
    """A request; 200 to 399 is success. `host` empty: the pod's own address."""

    port: PortOrName
    path: str = "/"
    host: str = ""
    scheme: Literal["HTTP", "HTTPS"] = "HTTP"
    http_headers: Items[HttpHeader] = ()


class TcpSocketAction(KubeModel):
    """A connection; that it is made is success."""

    port: PortOrName
    host: str = ""


class SleepAction(KubeModel):
    """Time to let pass, seconds."""

    seconds: int


class Handler(KubeModel):
    """What to do: one of them."""

    exec: ExecAction | None = None
    http_get: HttpGetAction | None = None


class LifecycleHandler(Handler):
    """A hook."""

    sleep: SleepAction | None = None


class Lifecycle(KubeModel):
    """Hooks after a container's start and before its end."""

    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None


class Probe(Handler):
    """A question asked again and again; times in seconds."""

    tcp_socket: TcpSocketAction | None = None
    initial_delay_seconds: int = 0
    period_seconds: int = 10
    timeout_seconds: int = 1
    success_threshold: int = 1
    failure_threshold: int = 3


class ResourceRequirements(KubeModel):
    """Requests and limits as they were written, and as numbers."""

    limits: dict[str, Quantity] = Field(default_factory=dict)
    requests: dict[str, Quantity] = Field(default_factory=dict)

    @property
    def cpu_limit(self) -> float | None:
        """Return cores; None: no limit."""
        return cpu(self.limits["cpu"]) if "cpu" in self.limits else None

    @property
    def cpu_request(self) -> float:
        """Return cores."""
        return cpu(self.requests.get("cpu", "0"))

    @property
    def memory_limit(self) -> int | None:
        """Return bytes; None: no limit."""
        return memory(self.limits["memory"]) if "memory" in self.limits else None

    @property
    def memory_request(self) -> int:
        """Return bytes."""
        return memory(self.requests.get("memory", "0"))


class Container(KubeModel):
    """A container; of init containers, `restart_policy` "Always" is one that goes on beside the others."""

    name: str
    image: str = ""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    command: Items[str] = ()
    args: Items[str] = ()
    working_dir: str = ""
    env: Items[EnvVar] = ()
    env_from: Items[EnvFrom] = ()
    ports: Items[ContainerPort] = ()
    resources: ResourceRequirements = ResourceRequirements()
    volume_mounts: Items[VolumeMount] = ()
    security_context: SecurityContext = SecurityContext()
    lifecycle: Lifecycle = Lifecycle()
    startup_probe: Probe | None = None
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    restart_policy: Literal["Always"] | None = None
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False

    @property
    def is_sidecar(self) -> bool:
        """Tell whether an init container goes on running beside the others."""
        return self.restart_policy == "Always"
