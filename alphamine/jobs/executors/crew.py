"""Workers in processes that may die: who gets which formulas, and what becomes of the rest.

A batch is cut into parts. If a worker dies, another one takes its place, and the formulas of its
part are tried again one by one; the formula that then kills its worker twice is recorded as failed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from alphamine.errors import WorkFailed
from alphamine.expression.nodes import Call, Node
from alphamine.jobs.judge import Judge, Judgement
from alphamine.pool.cells import Cells

from .base import never
from .letters import Answer, request
from .serial import Serial

# Long enough that handing out costs little, short enough that no worker waits long for the last.
_PART_SECONDS: Final = 0.2
_FIRST_PART: Final = 8
_DEATHS: Final = 2
_FAILED_STARTS: Final = 8
# Importing alphamine takes seconds, but a cluster may have no processor free for ever.
_START_SECONDS: Final = 180.0
_TICK_SECONDS: Final = 0.25


class Died(Exception):
    """A worker is gone; the message says how."""


class Worker(Protocol):
    """One process that answers requests in order."""

    def send(self, request: bytes) -> None:
        """Hand over a request.

        Raises
        ------
        Died
        """
        ...

    def receive(self) -> bytes:
        """The next answer; the first one is the greeting.

        Raises
        ------
        Died
        """
        ...

    def stop(self) -> None:
        """End the process."""
        ...


class Backend(Protocol):
    """Where workers come from."""

    def start(self) -> Worker:
        """A new worker."""
        ...

    def ready(self, workers: Sequence[Worker], seconds: float) -> list[Worker]:
        """Wait until some workers have an answer or are dead, or the time is over; return them."""
        ...

    def share(self, judge: Judge, cells: Cells) -> None:
        """Let workers that are started from now on have this panel, label and pool's cells."""
        ...

    def close(self) -> None:
        """Give back what workers share."""
        ...


@dataclass(slots=True)
class _Part:
    """Places in a batch of formulas that one worker gets, and how many it has killed so far."""

    places: list[int]
    deaths: int = 0


@dataclass(slots=True)
class _Seat:
    """A worker and what it does: it starts (operators unknown), works on a part, or is idle."""

    worker: Worker
    started: bool = False
    number: int = 0
    part: _Part | None = None


class Crew:
    """Judges in workers.

    Parameters
    ----------
    judge : Judge
        For formulas with operators that workers do not know: those registered in this process.
    cells : Cells
    backend : Backend
    workers : int
    """

    def __init__(self, judge: Judge, cells: Cells, backend: Backend, workers: int) -> None:
        self._backend = backend
        self._workers = workers
        self._number = 0
        self._each = 0.0
        self._seats: list[_Seat] = []
        self.turn_to(judge, cells)

    def turn_to(self, judge: Judge, cells: Cells) -> None:
        """Judge on another panel or label, for a pool of other cells, in new workers.

        The old ones go first: a cluster may have no room for both.
        """
        self._dismiss()
        self._here = Serial(judge, cells)
        self._identity = judge.identity
        self._operators: frozenset[str] = frozenset()
        self._failed_starts = 0
        self._heard = time.monotonic()
        self._backend.share(judge, cells)
        self._seats = [_Seat(self._backend.start()) for _ in range(self._workers)]

    def judge(
        self, formulas: Sequence[Node], stop: Callable[[], bool] = never
    ) -> Iterator[Judgement]:
        """Yield one judgement per formula, in order; fewer if `stop()` is true."""
        while not self._operators and formulas:
            if stop():
                return
            self._wait(formulas, deque(), {})
        known = self._operators
        away = [i for i, formula in enumerate(formulas) if _operators(formula) <= known]
        found: dict[int, Judgement] = {}
        waiting = self._parts(away)
        here = set(range(len(formulas))).difference(away)
        # What an earlier, abandoned batch still has in hand is answered, and not listened to.
        first = self._number
        for seat in self._seats:
            seat.part = None
        for place, formula in enumerate(formulas):
            if place in here:
                self._hand_out(formulas, waiting)
                found[place] = next(self._here.judge([formula]))
            while place not in found:
                if stop():
                    return
                self._hand_out(formulas, waiting)
                self._wait(formulas, waiting, found, first)
            yield found.pop(place)
            if stop():
                return

    def close(self) -> None:
        """End the workers."""
        self._dismiss()
        self._backend.close()

    def _dismiss(self) -> None:
        for seat in self._seats:
            seat.worker.stop()
        self._seats = []

    def _parts(self, places: list[int]) -> deque[_Part]:
        fair = -(-len(places) // (2 * len(self._seats)))
        most = int(_PART_SECONDS / self._each) if self._each else _FIRST_PART
        size = max(1, min(fair, most))
        return deque(_Part(places[i : i + size]) for i in range(0, len(places), size))

    def _hand_out(self, formulas: Sequence[Node], waiting: deque[_Part]) -> None:
        for seat in self._seats:
            if seat.started and not seat.number and waiting:
                part = waiting.popleft()
                self._number += 1
                seat.number, seat.part = self._number, part
                try:
                    seat.worker.send(request(seat.number, [formulas[i] for i in part.places]))
                except Died:  # noticed again, and handled, when its answer is read
                    continue

    def _wait(
        self,
        formulas: Sequence[Node],
        waiting: deque[_Part],
        found: dict[int, Judgement],
        first: int = 0,
    ) -> None:
        """Read the answers that are there, or arrive in a moment."""
        busy = [seat for seat in self._seats if seat.number or not seat.started]
        ready = self._backend.ready([seat.worker for seat in busy], _TICK_SECONDS)
        self._require_a_start(bool(ready))
        for seat in (s for s in busy if s.worker in ready):
            try:
                answer = Answer.of(seat.worker.receive())
            except Died as death:
                self._replace(seat, waiting, found, str(death))
                continue
            if answer.operators:
                self._require_same_build(answer.identity)
                self._operators = frozenset(answer.operators)
                self._failed_starts, seat.started = 0, True
                continue
            part, seat.part, seat.number = seat.part, None, 0
            if part is None or answer.number <= first:
                continue
            if answer.error:
                raise WorkFailed(answer.error)
            self._each = answer.seconds / len(part.places)
            found.update(zip(part.places, answer.judgements, strict=True))

    def _require_a_start(self, heard: bool) -> None:
        """Refuse to wait for ever for workers of which none starts."""
        now = time.monotonic()
        if heard or any(seat.started for seat in self._seats):
            self._heard = now
        elif now - self._heard > _START_SECONDS:
            raise WorkFailed(
                f"workers start within {_START_SECONDS:.0f} s, but none of {len(self._seats)} has; "
                "ask for as many workers as the machine or the cluster has processors free, then "
                "`alphamine resume`"
            )

    def _require_same_build(self, theirs: str) -> None:
        """The last bits of a judgement depend on the build that computed it."""
        if theirs != self._identity:
            raise WorkFailed(
                f"workers compute as this process does, with {self._identity}, but one has "
                f"{theirs}; install the same build on every machine and do not rebuild it during "
                "a run, then `alphamine resume`"
            )

    def _replace(
        self, seat: _Seat, waiting: deque[_Part], found: dict[int, Judgement], how: str
    ) -> None:
        """Put a new worker in the place of a dead one, and its formulas back in front."""
        part = seat.part
        if not seat.started:
            self._failed_starts += 1
            if self._failed_starts == _FAILED_STARTS:
                raise WorkFailed(
                    f"workers do not start: {how}, {_FAILED_STARTS} times in a row; see above, or "
                    "use the executor 'serial'"
                )
        seat.worker.stop()
        seat.worker, seat.started, seat.number, seat.part = self._backend.start(), False, 0, None
        if part is None:
            return
        if len(part.places) > 1:
            waiting.extendleft(_Part([place]) for place in reversed(part.places))
            return
        part.deaths += 1
        if part.deaths < _DEATHS:
            waiting.appendleft(part)
        else:
            found[part.places[0]] = Judgement.failed(f"it killed its worker twice: {how}")


def _operators(formula: Node) -> set[str]:
    return {node.operator.name for node in formula.walk() if isinstance(node, Call)}
