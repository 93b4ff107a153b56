"""Ask upstreams that were silent whether they are back: `. NS`, as CoreDNS does, ever more rarely."""

from __future__ import annotations

from service_proxy.dns.departures import Watch
from service_proxy.dns.exchange import AskByTcp, Exchange, UdpExchange, Unanswered
from service_proxy.dns.forward_settings import ForwardSettings, Tell
from service_proxy.dns.message import LARGEST_UDP, Question
from service_proxy.dns.upstreams import Upstream, Upstreams

CONDITION = "dns-upstream"
_WIRE = b"\0\0\2\0\1"  # the root's name servers
ROOT = Question(_WIRE, _WIRE + b"\0", 0, 2, LARGEST_UDP, has_edns=True, has_do=False, subnet=b"")


class Probing:
    """The probes on their way, and the conditions of those who do not answer."""

    def __init__(self, settings: ForwardSettings, watch: Watch, tell: Tell) -> None:
        self._settings = settings
        self._watch = watch
        self._tell = tell
        self._asked: dict[Upstream, Exchange] = {}
        self._told: set[Upstream] = set()

    def look(self, upstreams: Upstreams, now: float) -> float | None:
        """Send the probes that are due; return when the next one is, None if all upstreams answer."""
        everybody = upstreams.all()
        down = [one for one in everybody if one.is_down]
        if down or self._told:
            self._say(down)
        for upstream in down:
            if upstream.probe_at <= now:
                self._probe(upstream, now)
        return min((one.probe_at for one in down), default=None)

    def _say(self, down: list[Upstream]) -> None:
        for upstream in self._told.difference(down):
            self._tell(CONDITION, "", about=str(upstream.server))
            self._end(upstream)
        for upstream in set(down).difference(self._told):
            self._tell(CONDITION, "the DNS server does not answer", about=str(upstream.server))
        self._told = set(down)

    def _probe(self, upstream: Upstream, now: float) -> None:
        if self._end(upstream):
            upstream.figures.probe_failures += 1
        upstream.probed(now, self._settings)
        try:
            exchange = UdpExchange(upstream, ROOT, now)
        except OSError:  # no way to it still
            upstream.figures.probe_failures += 1
            return
        self._asked[upstream] = exchange
        self._watch.add(exchange, lambda: self._happened(upstream, exchange))

    def _happened(self, upstream: Upstream, exchange: Exchange) -> None:
        try:
            if exchange.take() is not None:
                upstream.succeeded()
        except AskByTcp:  # it speaks, that is enough
            upstream.succeeded()
        except Unanswered:
            upstream.figures.probe_failures += 1
            self._end(upstream)

    def _end(self, upstream: Upstream) -> bool:
        exchange = self._asked.pop(upstream, None)
        if exchange is not None:
            exchange.close()
        return exchange is not None

    def close(self) -> None:
        """Ask nobody any more."""
        for upstream in list(self._asked):
            self._end(upstream)
