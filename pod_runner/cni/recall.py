"""An attachment as ADD made it: CHECK and DEL are asked with the same list, arguments and capabilities.

CNI 1.1.0 section 3 demands it of CHECK; for DEL it means that a list that was changed or removed meanwhile
still takes down what it put up. What DEL cannot read it does without: that becomes a remark.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from cni_spec.errors import CniError
from cni_spec.json_input import JsonObject, decode_object
from cni_spec.network_list import NetworkList, parse_network_list, parse_single
from pod_runner.cni.cache import CachedAttachment, ResultCache
from pod_runner.cni.derive import Target, in_version

T = TypeVar("T")


@dataclass(frozen=True)
class Added:
    """What an ADD was asked, and its final result; None if there is none, or none is known."""

    network: NetworkList
    target: Target
    result: JsonObject | None


def recall(
    cache: ResultCache,
    name: str,
    target: Target,
    configured: Callable[[], NetworkList],
    tolerate: Callable[[CniError], None],
) -> Added:
    """Return the attachment as it is cached, completed by what the caller says.

    `configured` reads the network's list as it is now; it is asked only if the cache holds none.
    `tolerate` is told of what cannot be read, and may raise it.
    """
    cached = _attempt(lambda: cache.read(name, target), tolerate)
    if cached is None:
        return Added(configured(), target, None)
    network = _attempt(lambda: _network(cached), tolerate) or configured()
    return Added(network, _completed(target, cached.target), _result(cached, network, tolerate))


def _attempt(read: Callable[[], T | None], tolerate: Callable[[CniError], None]) -> T | None:
    try:
        return read()
    except CniError as error:
        tolerate(error)
        return None


def _network(cached: CachedAttachment) -> NetworkList | None:
    if not cached.config:  # an older libcni kept no list
        return None
    source = f"cached list of {cached.network}"
    is_list = "plugins" in decode_object(cached.config, source)
    return (parse_network_list if is_list else parse_single)(cached.config, source)


def _result(
    cached: CachedAttachment, network: NetworkList, tolerate: Callable[[CniError], None]
) -> JsonObject | None:
    result = cached.result
    return None if result is None else _attempt(lambda: in_version(result, network.version), tolerate)


def _completed(given: Target, added: Target) -> Target:
    """Fill what the caller left out from what ADD was given."""
    return replace(
        given,
        netns=given.netns or added.netns,
        args=given.args or added.args,
        capability_args=given.capability_args or added.capability_args,
    )
