"""When a node asks for a path's size: by a clock that the test turns, without any packet."""

from __future__ import annotations

from random import Random

from overlay.heartbeats import Heartbeats
from overlay.path_search import TIMEOUT

INTERVAL = 2.0  # seconds
TARGET = ("10.244.1.0-24", 4)


def asked_at(beats: Heartbeats, until: float) -> list[float]:
    """Turn the clock; return when the size of the path was begun to be asked."""
    found, now = [], 0.0
    while now < until:
        before = beats.peers[TARGET].size_at
        beats.tick(now)
        if beats.peers[TARGET].size_at != before:
            found.append(now)
        now += TIMEOUT / 5
    return found


def heartbeats() -> Heartbeats:
    made = Heartbeats(1.0, INTERVAL, lambda target: None, Random(1))
    made.set_peer(TARGET, "10.244.1.0", 1450, "", 0.0)
    return made


def test_a_path_is_asked_again_and_again() -> None:
    times = asked_at(heartbeats(), 20.0)
    assert 8 <= len(times) <= 12


def test_a_search_that_takes_longer_than_the_pause_is_not_the_last() -> None:
    beats = heartbeats()
    peer = beats.peers[TARGET]
    for _ in asked_at(beats, 1.0):
        peer.search.begin()  # under way when the next one is due
    assert len(asked_at(beats, 20.0)) >= 8


def test_who_asks_in_between_does_not_make_it_more_often() -> None:
    beats = heartbeats()
    for _ in range(20):
        beats.ask_now({TARGET[0]}, 0.0)
    assert len(asked_at(beats, 20.0)) <= 12
