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
from alphamine.engine.cells import Cells
from alphamine.errors import WorkFailed
from alphamine.expression.portable import to_data
from alphamine.jobs.executors import worker_pool as crew_module
from alphamine.jobs.executors.handler import Handler
from alphamine.jobs.executors.messages import Answer
from alphamine.jobs.executors.shared_panel import Buffer
from alphamine.jobs.executors.worker_pool import Died, Worker, WorkerPool
from alphamine.jobs.placebo import shuffled
from alphamine.jobs.scorer import Scorer

FORMULAS = [am.parse(f"ts_mean(close, {d}) / close") for d in range(2, 26)]
POISON = FORMULAS[7]
Seen: TypeAlias = list[tuple[str, list[bytes]]]
Exact: TypeAlias = Callable[[Any], Seen]


class Pretender:
    """Answers at once, in this process; dies of requests that the backend says are fatal."""

    def __init__(self, backend: Pretenders) -> None:
        self._backend = backend
        self._answer: bytes | None = backend.handler.greeting()
        self.alive = backend.starts <= backend.good_starts
        backend.working += 1
        assert backend.working <= backend.room

    def send(self, request: bytes) -> None:
        self._backend.requests.append(json.loads(request)["formulas"])
        self.alive = self.alive and not self._backend.fatal(self._backend.requests)
        self._answer = self._backend.handler.answer(request)

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
        handler: Handler,
        fatal: Callable[[list[list[object]]], bool],
        good_starts: int = 10**6,
        room: int = 10**6,
    ) -> None:
        self.handler = handler
        self.fatal = fatal
        self.good_starts = good_starts
        self.room = room
        self.starts = self.shared = self.working = 0
        self.requests: list[list[object]] = []

    def start(self) -> Worker:
        self.starts += 1
        return Pretender(self)

    def share(self, scorer: Scorer, cells: Cells) -> None:
        self.shared += 1

    def ready(self, workers: Sequence[Worker], seconds: float) -> list[Worker]:
        # The last one answers first: order must not depend on who is quick.
        return list(workers[-1:])

    def close(self) -> None: ...


def never(requests: object) -> bool:
    return False


@pytest.fixture(scope="module")
def scorer(small_panel: Panel) -> Scorer:
    return Scorer(small_panel.without_test())


@pytest.fixture(scope="module")
def handler(scorer: Scorer, shared_panel_of: Callable[[Scorer], Buffer]) -> Handler:
    return Handler(shared_panel_of(scorer), 1)


@pytest.fixture(scope="module")
def cells(scorer: Scorer) -> Cells:
    return Cells(scorer.train)


@pytest.fixture(scope="module")
def expected(scorer: Scorer, cells: Cells, exact: Exact) -> Seen:
    return exact(scorer.score(FORMULAS, cells))


@pytest.mark.parametrize("workers", [1, 2, 5, 40])
def test_answers_come_in_order_and_each_formula_is_asked_for_once(
    scorer: Scorer, handler: Handler, expected: Seen, cells: Cells, exact: Exact, workers: int
) -> None:
    backend = Pretenders(handler, never)
    assert exact(WorkerPool(scorer, cells, backend, workers).score(FORMULAS)) == expected
    asked = [formula for request in backend.requests for formula in request]
    assert sorted(map(str, asked)) == sorted(str(to_data(f)) for f in FORMULAS)


def test_a_killed_worker_is_replaced_and_nothing_is_lost(
    scorer: Scorer, handler: Handler, expected: Seen, cells: Cells, exact: Exact
) -> None:
    backend = Pretenders(handler, lambda requests: len(requests) in (2, 5, 11))
    assert exact(WorkerPool(scorer, cells, backend, 3).score(FORMULAS)) == expected
    assert backend.starts == 3 + 3


def test_a_formula_that_kills_its_worker_twice_is_recorded_as_failed(
    scorer: Scorer, handler: Handler, expected: Seen, cells: Cells, exact: Exact
) -> None:
    backend = Pretenders(handler, lambda requests: to_data(POISON) in requests[-1])
    found = list(WorkerPool(scorer, cells, backend, 2).score(FORMULAS))
    alone = [request for request in backend.requests if request == [to_data(POISON)]]
    assert len(alone) == 2
    for i, score in enumerate(found):
        if FORMULAS[i] is POISON:
            assert score.failure == "it killed its worker twice: SIGKILL"
            assert score.fitness == float("-inf")
        else:
            assert exact([score]) == expected[i : i + 1]


def test_what_was_abandoned_is_not_taken_for_an_answer(
    scorer: Scorer, handler: Handler, expected: Seen, cells: Cells, exact: Exact
) -> None:
    pool = WorkerPool(scorer, cells, Pretenders(handler, never), 4)
    half = pool.score(FORMULAS[::-1])
    assert exact(islice(half, 3)) == expected[::-1][:3]
    half.close()  # type: ignore[attr-defined]
    assert exact(pool.score(FORMULAS)) == expected


def test_workers_of_which_none_ever_starts_are_waited_for_so_long(
    scorer: Scorer, handler: Handler, cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "_START_SECONDS", 0.2)
    backend = Pretenders(handler, never)
    monkeypatch.setattr(backend, "ready", lambda workers, seconds: time.sleep(0.01) or [])
    with pytest.raises(WorkFailed, match="but none of 3 has; ask for as many workers as"):
        list(WorkerPool(scorer, cells, backend, 3).score(FORMULAS))


def test_a_stop_is_noticed_while_waiting(
    scorer: Scorer, handler: Handler, cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = Pretenders(handler, never)
    pool = WorkerPool(scorer, cells, backend, 2)
    assert len(list(pool.score(FORMULAS, lambda: len(backend.requests) > 1))) < len(FORMULAS)
    monkeypatch.setattr(backend, "ready", lambda workers, seconds: [])
    calls = count()
    pool = WorkerPool(scorer, cells, backend, 2)
    assert list(pool.score(FORMULAS, lambda: next(calls) > 3)) == []


def test_another_label_is_judged_by_new_workers_after_the_old_ones_went(
    small_panel: Panel,
    scorer: Scorer,
    handler: Handler,
    expected: Seen,
    cells: Cells,
    exact: Exact,
    shared_panel_of: Callable[[Scorer], Buffer],
) -> None:
    backend = Pretenders(handler, never, room=2)
    pool = WorkerPool(scorer, cells, backend, 2)
    assert exact(pool.score(FORMULAS)) == expected
    visible = small_panel.without_test()
    other = Scorer(visible, shuffled(visible.sample(), np.random.default_rng(4)))
    others = Cells(other.train)
    backend.handler = Handler(shared_panel_of(other), 1)
    pool.switch_to(other, others)
    assert (backend.starts, backend.shared) == (4, 2)
    found = exact(pool.score(FORMULAS))
    assert found == exact(other.score(FORMULAS, others))
    assert found != expected


def test_workers_of_another_build_are_refused(
    scorer: Scorer, handler: Handler, cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = Answer(operators=("divide",), identity="numpy alone")
    monkeypatch.setattr(handler, "greeting", stale.to_bytes)
    with pytest.raises(WorkFailed, match=r"as this process does, .* but one has numpy alone; "):
        list(WorkerPool(scorer, cells, Pretenders(handler, never), 2).score(FORMULAS))


def test_workers_that_never_start_end_the_run(
    scorer: Scorer, handler: Handler, cells: Cells, exact: Exact
) -> None:
    pool = WorkerPool(scorer, cells, Pretenders(handler, never, good_starts=0), 2)
    with pytest.raises(WorkFailed, match="workers do not start: SIGKILL, 8 times in a row"):
        exact(pool.score(FORMULAS))


def test_the_law_that_a_worker_states_reaches_the_caller(
    scorer: Scorer, handler: Handler, cells: Cells, exact: Exact
) -> None:
    pool = WorkerPool(scorer, cells, Pretenders(handler, never), 2)
    with pytest.raises(WorkFailed, match="may look back at most"):
        exact(pool.score([am.parse("ts_mean(close, 340)")]))


def test_operators_that_workers_lack_are_computed_here(
    scorer: Scorer, handler: Handler, cells: Cells, exact: Exact, monkeypatch: pytest.MonkeyPatch
) -> None:
    greeting = Answer(operators=("divide", "ts_std_dev"), identity=scorer.identity)
    monkeypatch.setattr(handler, "greeting", greeting.to_bytes)
    backend = Pretenders(handler, never)
    mixed = [FORMULAS[0], am.parse("ts_std_dev(close, 5) / close"), FORMULAS[1]]
    expected = exact(scorer.score(mixed, cells))
    assert exact(WorkerPool(scorer, cells, backend, 2).score(mixed)) == expected
    assert [formula for request in backend.requests for formula in request] == [to_data(mixed[1])]
