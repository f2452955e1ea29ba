"""Who gets which formulas, and what becomes of them when workers die: with workers that pretend."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from itertools import count, islice
from typing import Any, TypeAlias

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.errors import WorkFailed
from alphamine.expression.portable import to_data
from alphamine.jobs.executors import crew as crew_module
from alphamine.jobs.executors.crew import Crew, Died, Worker
from alphamine.jobs.executors.desk import Desk
from alphamine.jobs.executors.letters import Answer
from alphamine.jobs.executors.parcel import Buffer
from alphamine.jobs.judge import Judge
from alphamine.jobs.placebo import shuffled
from alphamine.pool.cells import Cells

FORMULAS = [am.parse(f"ts_mean(close, {d}) / close") for d in range(2, 26)]
POISON = FORMULAS[7]
Seen: TypeAlias = list[tuple[str, list[bytes]]]
Exact: TypeAlias = Callable[[Any], Seen]


class Pretender:
    """Answers at once, in this process; dies of requests that the backend says are fatal."""

    def __init__(self, backend: Pretenders) -> None:
        self._backend = backend
        self._answer: bytes | None = backend.desk.greeting()
        self.alive = backend.starts <= backend.good_starts
        backend.working += 1
        assert backend.working <= backend.room

    def send(self, request: bytes) -> None:
        self._backend.requests.append(json.loads(request)["formulas"])
        self.alive = self.alive and not self._backend.fatal(self._backend.requests)
        self._answer = self._backend.desk.answer(request)

    def receive(self) -> bytes:
        if not self.alive:
            raise Died("SIGKILL")
        assert self._answer is not None
        answer, self._answer = self._answer, None
        return answer

    def stop(self) -> None:
        self.alive = False
        self._backend.working -= 1


class Pretenders:
    def __init__(
        self,
        desk: Desk,
        fatal: Callable[[list[list[object]]], bool],
        good_starts: int = 10**6,
        room: int = 10**6,
    ) -> None:
        self.desk = desk
        self.fatal = fatal
        self.good_starts = good_starts
        self.room = room
        self.starts = self.shared = self.working = 0
        self.requests: list[list[object]] = []

    def start(self) -> Worker:
        self.starts += 1
        return Pretender(self)

    def share(self, judge: Judge, cells: Cells) -> None:
        self.shared += 1

    def ready(self, workers: Sequence[Worker], seconds: float) -> list[Worker]:
        # The last one answers first: order must not depend on who is quick.
        return list(workers[-1:])

    def close(self) -> None: ...


def never(requests: object) -> bool:
    return False


@pytest.fixture(scope="module")
def judge(small_panel: Panel) -> Judge:
    return Judge(small_panel.without_test())


@pytest.fixture(scope="module")
def desk(judge: Judge, parcel_of: Callable[[Judge], Buffer]) -> Desk:
    return Desk(parcel_of(judge), 1)


@pytest.fixture(scope="module")
def cells(judge: Judge) -> Cells:
    return Cells(judge.train)


@pytest.fixture(scope="module")
def expected(judge: Judge, cells: Cells, exact: Exact) -> Seen:
    return exact(judge.judge(FORMULAS, cells))


@pytest.mark.parametrize("workers", [1, 2, 5, 40])
def test_answers_come_in_order_and_each_formula_is_asked_for_once(
    judge: Judge, desk: Desk, expected: Seen, cells: Cells, exact: Exact, workers: int
) -> None:
    backend = Pretenders(desk, never)
    assert exact(Crew(judge, cells, backend, workers).judge(FORMULAS)) == expected
    asked = [formula for request in backend.requests for formula in request]
    assert sorted(map(str, asked)) == sorted(str(to_data(f)) for f in FORMULAS)


def test_a_killed_worker_is_replaced_and_nothing_is_lost(
    judge: Judge, desk: Desk, expected: Seen, cells: Cells, exact: Exact
) -> None:
    backend = Pretenders(desk, lambda requests: len(requests) in (2, 5, 11))
    assert exact(Crew(judge, cells, backend, 3).judge(FORMULAS)) == expected
    assert backend.starts == 3 + 3


def test_a_formula_that_kills_its_worker_twice_is_recorded_as_failed(
    judge: Judge, desk: Desk, expected: Seen, cells: Cells, exact: Exact
) -> None:
    backend = Pretenders(desk, lambda requests: to_data(POISON) in requests[-1])
    found = list(Crew(judge, cells, backend, 2).judge(FORMULAS))
    alone = [request for request in backend.requests if request == [to_data(POISON)]]
    assert len(alone) == 2
    for i, judgement in enumerate(found):
        if FORMULAS[i] is POISON:
            assert judgement.failure == "it killed its worker twice: SIGKILL"
            assert judgement.fitness == float("-inf")
        else:
            assert exact([judgement]) == expected[i : i + 1]


def test_what_was_abandoned_is_not_taken_for_an_answer(
    judge: Judge, desk: Desk, expected: Seen, cells: Cells, exact: Exact
) -> None:
    crew = Crew(judge, cells, Pretenders(desk, never), 4)
    half = crew.judge(FORMULAS[::-1])
    assert exact(islice(half, 3)) == expected[::-1][:3]
    half.close()  # type: ignore[attr-defined]
    assert exact(crew.judge(FORMULAS)) == expected


def test_workers_of_which_none_ever_starts_are_waited_for_so_long(
    judge: Judge, desk: Desk, cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "_START_SECONDS", 0.2)
    backend = Pretenders(desk, never)
    monkeypatch.setattr(backend, "ready", lambda workers, seconds: time.sleep(0.01) or [])
    with pytest.raises(WorkFailed, match="but none of 3 has; ask for as many workers as"):
        list(Crew(judge, cells, backend, 3).judge(FORMULAS))


def test_a_stop_is_noticed_while_waiting(
    judge: Judge, desk: Desk, cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = Pretenders(desk, never)
    crew = Crew(judge, cells, backend, 2)
    assert len(list(crew.judge(FORMULAS, lambda: len(backend.requests) > 1))) < len(FORMULAS)
    monkeypatch.setattr(backend, "ready", lambda workers, seconds: [])
    calls = count()
    crew = Crew(judge, cells, backend, 2)
    assert list(crew.judge(FORMULAS, lambda: next(calls) > 3)) == []


def test_another_label_is_judged_by_new_workers_after_the_old_ones_went(
    small_panel: Panel, judge: Judge, desk: Desk, expected: Seen, cells: Cells, exact: Exact,
    parcel_of: Callable[[Judge], Buffer],
) -> None:  # fmt: skip
    backend = Pretenders(desk, never, room=2)
    crew = Crew(judge, cells, backend, 2)
    assert exact(crew.judge(FORMULAS)) == expected
    visible = small_panel.without_test()
    other = Judge(visible, shuffled(visible.sample(), np.random.default_rng(4)))
    others = Cells(other.train)
    backend.desk = Desk(parcel_of(other), 1)
    crew.turn_to(other, others)
    assert (backend.starts, backend.shared) == (4, 2)
    found = exact(crew.judge(FORMULAS))
    assert found == exact(other.judge(FORMULAS, others))
    assert found != expected


def test_workers_of_another_build_are_refused(
    judge: Judge, desk: Desk, cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = Answer(operators=("divide",), identity="numpy alone")
    monkeypatch.setattr(desk, "greeting", stale.to_bytes)
    with pytest.raises(WorkFailed, match=r"as this process does, .* but one has numpy alone; "):
        list(Crew(judge, cells, Pretenders(desk, never), 2).judge(FORMULAS))


def test_workers_that_never_start_end_the_run(
    judge: Judge, desk: Desk, cells: Cells, exact: Exact
) -> None:
    crew = Crew(judge, cells, Pretenders(desk, never, good_starts=0), 2)
    with pytest.raises(WorkFailed, match="workers do not start: SIGKILL, 8 times in a row"):
        exact(crew.judge(FORMULAS))


def test_the_law_that_a_worker_states_reaches_the_caller(
    judge: Judge, desk: Desk, cells: Cells, exact: Exact
) -> None:
    crew = Crew(judge, cells, Pretenders(desk, never), 2)
    with pytest.raises(WorkFailed, match="may look back at most"):
        exact(crew.judge([am.parse("ts_mean(close, 340)")]))


def test_operators_that_workers_lack_are_computed_here(
    judge: Judge, desk: Desk, cells: Cells, exact: Exact, monkeypatch: pytest.MonkeyPatch
) -> None:
    greeting = Answer(operators=("divide", "ts_std_dev"), identity=judge.identity)
    monkeypatch.setattr(desk, "greeting", greeting.to_bytes)
    backend = Pretenders(desk, never)
    mixed = [FORMULAS[0], am.parse("ts_std_dev(close, 5) / close"), FORMULAS[1]]
    expected = exact(judge.judge(mixed, cells))
    assert exact(Crew(judge, cells, backend, 2).judge(mixed)) == expected
    assert [formula for request in backend.requests for formula in request] == [to_data(mixed[1])]
