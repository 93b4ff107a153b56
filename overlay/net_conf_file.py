"""net-conf.json in a file: where Kubernetes keeps the network's configuration, a ConfigMap under a mount."""

from __future__ import annotations

from pathlib import Path

from cni_spec.errors import CniError
from overlay.errors import NotConfigured
from overlay.net_conf import NetConf, parse_net_conf


class NetConfFile:
    """The file, and whether it has changed. A ConfigMap changes as a link to another folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = self._stamp()

    def read(self) -> NetConf:
        """Return what it says. Raises NotConfigured."""
        try:
            return parse_net_conf(self.path.read_text(), f"{self.path}")[0]
        except FileNotFoundError:
            raise NotConfigured(
                f"there is no {self.path}: write the network's configuration there, or mount the ConfigMap "
                "that has it (flannel's is kube-flannel-cfg)"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise NotConfigured(f"cannot read {self.path}: {error}") from error
        except CniError as error:
            raise NotConfigured(error.msg) from error

    def has_changed(self) -> bool:
        """Tell whether it is another than at the last call."""
        before, self._seen = self._seen, self._stamp()
        return before != self._seen

    def _stamp(self) -> tuple[int, ...]:
        try:
            seen = self.path.stat()
        except OSError:  # it may come
            return ()
        return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns
