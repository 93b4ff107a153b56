from __future__ import annotations

from pod_runner.controllers.work import Task, What, Work

A, B, C = Task(What.SET, "d", "a"), Task(What.ROLLOUT, "d", "b"), Task(What.SCHEDULE)


def taken(work: Work, now: float) -> list[Task]:
    found = []
    while (task := work.take(now)) is not None:
        found.append(task)
    return found


def test_a_task_is_done_once_however_often_it_was_touched() -> None:
    work = Work()
    work.touch([A, B])
    work.touch([A])
    assert len(work) == 2 and work.next_at(5.0) == 5.0
    assert taken(work, 5.0) == [A, B] and work.next_at(5.0) is None


def test_the_earliest_of_a_tasks_times_counts() -> None:
    work = Work()
    for task, at in ((A, 9.0), (B, 7.0), (C, 7.0), (A, 3.0), (A, 8.0)):
        work.later(task, at)
    assert work.next_at(0.0) == 3.0
    assert taken(work, 3.0) == [A]
    assert sorted(taken(work, 7.0)) == sorted([B, C])
    assert taken(work, 100.0) == []


def test_a_task_waits_for_news_of_a_key() -> None:
    work = Work()
    work.after(A, "/k")
    assert taken(work, 1.0) == []
    work.heard("/other")
    assert taken(work, 1.0) == []
    work.heard("/k")
    assert taken(work, 1.0) == [A]
