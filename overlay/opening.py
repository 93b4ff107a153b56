"""The registry that agent.toml names: a folder, etcd, or Kubernetes."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from cluster_store.opening import StoreOptions, open_store, prefix_of
from overlay.errors import NotConfigured
from overlay.key_value import KeyValueRegistry
from overlay.key_value_following import FollowedTable
from overlay.lease_keys import Keys
from overlay.registry import Registry
from overlay.settings import OverlaySettings

KUBERNETES = "kubernetes"  # "kubernetes" in a pod, "kubernetes:/etc/kubernetes/admin.conf" elsewhere
NET_CONF = "/etc/kube-flannel/net-conf.json"  # where flannel's ConfigMap is mounted
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def open_registry(settings: OverlaySettings, boot: str, followed: FollowedTable | None = None) -> Registry:
    """Return the registry; it is not asked anything yet. `followed` as in `followed_table`.

    Raises:
        StoreRefused: the configuration does not name one that can be used.
    """
    if settings.registry.partition(":")[0] == KUBERNETES:
        return _open_kubernetes(settings)
    return open_key_value(settings, boot, followed)


def open_key_value(
    settings: OverlaySettings, boot: str, followed: FollowedTable | None = None
) -> KeyValueRegistry:
    """Return a registry whose leases are keys. Raises StoreRefused."""
    options = StoreOptions(
        ca=_path(settings.ca_file), certificate=_path(settings.cert_file), key=_path(settings.key_file),
        user=settings.user, password_file=_path(settings.password_file),
    )  # fmt: skip
    store = open_store(settings.registry, options)
    return KeyValueRegistry(store, settings.node_name, boot, _keys(settings), followed)


def followed_table(settings: OverlaySettings) -> FollowedTable:
    """Return what registries of one process share: what one of them follows, the others need not list.

    Of Kubernetes' nothing is kept there: a Node is asked by its name.
    """
    return FollowedTable(_keys(settings))


def open_configured(settings: OverlaySettings, boot: str, followed: FollowedTable | None = None) -> Registry:
    """Return the registry; one without a configuration is given the file's, if there is one.

    Raises:
        StoreRefused, StoreUnavailable: it cannot be used, or asked.
        NotConfigured: it has no configuration, and the file cannot be read or is none.
    """
    registry = open_registry(settings, boot, followed)
    if settings.net_conf and isinstance(registry, KeyValueRegistry):
        try:
            registry.net_conf()
        except NotConfigured as error:
            try:
                registry.configure(Path(settings.net_conf).read_text())
            except OSError as missing:
                raise NotConfigured(f"{error}; {settings.net_conf}: {missing.strerror}") from missing
    return registry


def read_boot_id() -> str:
    """Return what tells this life of the kernel from another."""
    return BOOT_ID.read_text().strip()


def registry_hosts(settings: OverlaySettings) -> list[str]:
    """Return the addresses of the registry's servers, as far as they are addresses: nodes are that way."""
    found = []
    for part in settings.registry.split(","):
        try:
            host = urlsplit(part if "://" in part else f"//{part}").hostname or ""
        except ValueError:  # told by whoever opens it
            continue
        if host and not host.startswith("/") and (":" in host or host.replace(".", "").isdigit()):
            found.append(host)
    return found


def _open_kubernetes(settings: OverlaySettings) -> Registry:
    from cluster_store.kubernetes import KubernetesClient  # ssl and more, where it is asked for
    from cluster_store.kubernetes_access import access_by_kubeconfig, access_in_cluster
    from overlay.node_objects import KubernetesRegistry

    path = settings.registry.partition(":")[2] or settings.kubeconfig
    access = access_by_kubeconfig(Path(path)) if path else access_in_cluster()
    client = KubernetesClient(access)
    return KubernetesRegistry(client, settings.node_name, Path(settings.net_conf or NET_CONF))


def _keys(settings: OverlaySettings) -> Keys:
    is_kubernetes = settings.registry.partition(":")[0] == KUBERNETES
    return Keys(("" if is_kubernetes else prefix_of(settings.registry)) or settings.prefix.rstrip("/"))


def _path(text: str) -> Path | None:
    return Path(text) if text else None
