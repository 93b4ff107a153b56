"""When a worker goes: after a while without an event, whatever an event met with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pod_runner.supervisor.loop import Loop
from pod_runner.supervisor.resting import Resting


@pytest.fixture
def loop() -> Iterator[Loop]:
    """Give a loop."""
    made = Loop()
    yield made
    made.close()


def test_a_refusal_in_the_round_of_the_last_event_is_not_the_last_word(loop: Loop) -> None:
    answers = iter([False, False, True])
    resting = Resting(loop, 0.01, lambda: next(answers))
    loop.after_each = resting.happened
    resting.happened()
    loop.run()
    assert resting.is_over and next(answers, None) is None
