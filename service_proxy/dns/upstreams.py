"""Servers to ask: which, in what order, and whether they answer at all.

No clock and no dice of its own; both are passed in. An upstream that failed a few times in a row is left
alone until a probe was answered; if all are so, they are asked all the same, for a probe may be late.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from service_proxy.dns.forward_figures import ForwardFigures, UpstreamFigures
from service_proxy.dns.forward_settings import ForwardSettings, Policy, Server
from service_proxy.dns.message import wire_name

Dice = Callable[[int], int]  # a random number below n
MOST_TRIES = 6


@dataclass(eq=False)
class Upstream:
    """One server and what is known of it. Times are of the loop's clock, in seconds."""

    server: Server
    figures: UpstreamFigures
    failures: int = 0  # in a row
    is_down: bool = False
    probe_at: float = 0.0
    probe_every: float = 0.0

    def succeeded(self) -> None:
        """Take note of an answer, whatever it says."""
        self.failures = 0
        self.is_down = False

    def failed(self, now: float, settings: ForwardSettings) -> None:
        """Take note of silence, or of a port that is closed."""
        self.failures += 1
        self.figures.failures += 1
        if self.failures >= settings.max_failures and not self.is_down:
            self.is_down = True
            self.probe_every = settings.probe_first
            self.probe_at = now + self.probe_every

    def probed(self, now: float, settings: ForwardSettings) -> None:
        """Take note of a probe that goes out: the next one, if this is not answered, is later."""
        self.probe_every = min(2 * self.probe_every, settings.probe_longest)
        self.probe_at = now + self.probe_every


@dataclass(eq=False)
class Group:
    """The upstreams of one domain."""

    members: tuple[Upstream, ...]
    policy: Policy

    @property
    def is_down(self) -> bool:
        """Tell whether nobody here has answered lately."""
        return all(one.is_down for one in self.members)

    @property
    def tries(self) -> int:
        """Return how often a question is asked here before it is given up: a lost datagram is no silence."""
        return min(max(3, len(self.members)), MOST_TRIES) if self.members else 0

    def choose(self, tried: Sequence[Upstream], dice: Dice) -> Upstream | None:
        """Return whom to ask next: one that answers, the least tried; None if there is nobody."""
        live = [one for one in self.members if not one.is_down] or list(self.members)
        if not live:
            return None
        least = min(tried.count(one) for one in live)
        fit = [one for one in live if tried.count(one) == least]
        return fit[0] if self.policy is Policy.SEQUENTIAL else fit[dice(len(fit))]

    def has_untried(self, tried: Collection[Upstream]) -> bool:
        """Tell whether somebody who answers was not asked yet."""
        return any(one not in tried for one in self.members if not one.is_down)


@dataclass
class Upstreams:
    """All groups: the one for everything, and those of stub domains."""

    default: Group
    stubs: Mapping[bytes, Group] = field(default_factory=dict)  # by domain in wire form, lower case

    def of(self, name: bytes) -> Group:
        """Return who is asked about a name in wire form, lower case: the longest domain it ends in."""
        at = 0
        while self.stubs:
            if (group := self.stubs.get(name[at:])) is not None:
                return group
            if not name[at]:
                break
            at += name[at] + 1
        return self.default

    def all(self) -> list[Upstream]:
        """Return every upstream."""
        return [one for group in (self.default, *self.stubs.values()) for one in group.members]


def make_upstreams(
    servers: Iterable[Server], settings: ForwardSettings, figures: ForwardFigures, known: Upstreams | None
) -> Upstreams:
    """Make the groups; an upstream that is known keeps what is known of it.

    Raises Malformed: a stub's name.
    """
    before = {one.server: one for one in known.all()} if known else {}

    def group(members: Iterable[Server]) -> Group:
        unique = dict.fromkeys(members)
        found = [before.get(one) or Upstream(one, figures.upstream(str(one))) for one in unique]
        return Group(tuple(found), settings.policy)

    stubs = {wire_name(domain): group(members) for domain, members in settings.stubs.items()}
    return Upstreams(group(servers), stubs)
