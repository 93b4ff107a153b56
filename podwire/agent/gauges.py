"""What there is now: counted when somebody asks for metrics, never on a request's way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cni_plugins.host_local.config import HostLocalConfig
from cni_plugins.host_local.plan import plan_pools
from cni_spec.config import parse_config
from cni_spec.errors import CniError
from cni_spec.json_input import JsonObject
from ipam.kept import KeptIndexes
from ipam.network import Network
from ipam.store import operate
from ipam.usage import usage
from linuxnet.memory import HostMemory
from linuxnet.netlink import Netlink
from linuxnet.owner import mark_of_alias
from pod_runner.cni.lists import list_files, read_list_file
from podwire.commands.options import CONF_DIR


def count_links() -> int:
    """Return how many links of the host belong to attachments."""
    netlink = Netlink()
    try:
        return sum(1 for link in netlink.links() if mark_of_alias(link.alias) is not None)
    finally:
        netlink.close()


def count_elements(memory: HostMemory) -> int:
    """Return how many elements our nft tables hold."""
    return len(memory.ruleset.elements())


def host_local_networks(conf_dir: Path = CONF_DIR) -> Iterator[HostLocalConfig]:
    """Yield every network of host-local's that is configured here.

    A configuration that cannot be read is left out: `podwire lint` is there to say so.
    """
    for path in list_files(conf_dir, ".conflist", ".conf", ".json"):
        try:
            network = read_list_file(path)
            bodies = [one.body | {"name": network.name} for one in network.plugins]
            configs = [parse_config(HostLocalConfig, body)[0] for body in bodies if _is_host_local(body)]
        except CniError:  # not a metric's business
            continue
        yield from configs


def free_addresses(config: HostLocalConfig, indexes: KeptIndexes) -> list[tuple[list[str], float]]:
    """Return ([network, pool], free addresses) for each pool of a network; none where nobody was yet.

    Raises:
        CniError: code 11 if its lock cannot be had in time, code 5 if its directory cannot be used.
    """
    network = Network(config.name, config.ipam.data_dir, cooldown=config.ipam.release_cooldown)
    pools = plan_pools(config)
    if not (network.data_dir / network.name).is_dir():
        return []
    counted = operate(network, lambda store: usage(store, pools), indexes)
    return [([config.name, str(one.pool)], one.available) for one in counted]


def _is_host_local(body: JsonObject) -> bool:
    ipam = body.get("ipam")
    return isinstance(ipam, dict) and ipam.get("type") == "host-local"
