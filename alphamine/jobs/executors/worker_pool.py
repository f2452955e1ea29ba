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

from alphamine.engine.cells import Cells
from alphamine.errors import WorkFailed
from alphamine.expression.nodes import Call, Node
from alphamine.jobs.scorer import Scorer
from alphamine.runs.score import Score

from .base import never
from .messages import Answer, request
from .serial import Serial

# Long enough that handing out costs little, short enough that no worker waits long for the last.
_PART_SECONDS: Final = 0.2
_FIRST_PART: Final = 8
# Of the vectors of a first part: a worker holds them, its answer, and no more.
_FIRST_BYTES: Final = 1 << 26
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


class Launcher(Protocol):
    """Where workers come from."""

    def start(self) -> Worker:
        """A new worker."""
        ...

    def ready(self, workers: Sequence[Worker], seconds: float) -> list[Worker]:
        """Wait until some workers have an answer or are dead, or the time is over; return them."""
        ...

    def share(self, scorer: Scorer, cells: Cells) -> None:
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
class _WorkerSlot:
    """A worker and what it does: it starts (operators unknown), works on a part, or is idle."""

    worker: Worker
    started: bool = False
    number: int = 0
    part: _Part | None = None


class WorkerPool:
    """Scores in worker processes.

    Parameters
    ----------
    scorer : Scorer
        For formulas with operators that workers do not know: those registered in this process.
    cells : Cells
    launcher : Launcher
    workers : int
    """

    def __init__(self, scorer: Scorer, cells: Cells, launcher: Launcher, workers: int) -> None:
        self._launcher = launcher
        self._workers = workers
        self._number = 0
        self._each = 0.0
        self._slots: list[_WorkerSlot] = []
        self.switch_to(scorer, cells)

    def switch_to(self, scorer: Scorer, cells: Cells) -> None:
        """Score on another panel or label, for a pool of other cells, in new workers.

        The old ones go first: a cluster may have no room for both.
        """
        self._dismiss()
        self._here = Serial(scorer, cells)
        self._first = max(1, min(_FIRST_PART, _FIRST_BYTES // max(cells.label.nbytes, 1)))
        self._identity = scorer.identity
        self._operators: frozenset[str] = frozenset()
        self._failed_starts = 0
        self._heard = time.monotonic()
        self._launcher.share(scorer, cells)
        self._slots = [_WorkerSlot(self._launcher.start()) for _ in range(self._workers)]

    def score(self, formulas: Sequence[Node], stop: Callable[[], bool] = never) -> Iterator[Score]:
        """Yield one score per formula, in order; fewer if `stop()` is true."""
        while not self._operators and formulas:
            if stop():
                return
            self._wait(deque(), {})
        known = self._operators
        away = [i for i, formula in enumerate(formulas) if _operators(formula) <= known]
        found: dict[int, Score] = {}
        waiting = self._parts(away)
        here = set(range(len(formulas))).difference(away)
        # What an earlier, abandoned batch still has in hand is answered, and not listened to.
        first = self._number
        for slot in self._slots:
            slot.part = None
        for place, formula in enumerate(formulas):
            if place in here:
                self._hand_out(formulas, waiting)
                found[place] = next(self._here.score([formula]))
            while place not in found:
                if stop():
                    return
                self._hand_out(formulas, waiting)
                self._wait(waiting, found, first)
            yield found.pop(place)
            if stop():
                return

    def close(self) -> None:
        """End the workers."""
        self._dismiss()
        self._launcher.close()

    def _dismiss(self) -> None:
        for slot in self._slots:
            slot.worker.stop()
        self._slots = []

    def _parts(self, places: list[int]) -> deque[_Part]:
        fair = -(-len(places) // (2 * len(self._slots)))
        most = int(_PART_SECONDS / self._each) if self._each else self._first
        size = max(1, min(fair, most))
        return deque(_Part(places[i : i + size]) for i in range(0, len(places), size))

    def _hand_out(self, formulas: Sequence[Node], waiting: deque[_Part]) -> None:
        for slot in self._slots:
            if slot.started and not slot.number and waiting:
                part = waiting.popleft()
                self._number += 1
                slot.number, slot.part = self._number, part
                try:
                    slot.worker.send(request(slot.number, [formulas[i] for i in part.places]))
                except Died:  # noticed again, and handled, when its answer is read
                    continue

    def _wait(self, waiting: deque[_Part], found: dict[int, Score], first: int = 0) -> None:
        """Read the answers that are there, or arrive in a moment."""
        busy = [slot for slot in self._slots if slot.number or not slot.started]
        ready = self._launcher.ready([slot.worker for slot in busy], _TICK_SECONDS)
        self._require_a_start(bool(ready))
        for slot in (s for s in busy if s.worker in ready):
            try:
                answer = Answer.of(slot.worker.receive())
            except Died as death:
                self._replace(slot, waiting, found, str(death))
                continue
            if answer.operators:
                self._require_same_build(answer.identity)
                self._operators = frozenset(answer.operators)
                self._failed_starts, slot.started = 0, True
                continue
            part, slot.part, slot.number = slot.part, None, 0
            if part is None or answer.number <= first:
                continue
            if answer.error:
                raise WorkFailed(answer.error)
            self._each = answer.seconds / len(part.places)
            found.update(zip(part.places, answer.scores, strict=True))

    def _require_a_start(self, heard: bool) -> None:
        """Refuse to wait for ever for workers of which none starts."""
        now = time.monotonic()
        if heard or any(slot.started for slot in self._slots):
            self._heard = now
        elif now - self._heard > _START_SECONDS:
            raise WorkFailed(
                f"workers start within {_START_SECONDS:.0f} s, but none of {len(self._slots)} has; "
                "ask for as many workers as the machine or the cluster has processors free, then "
                "`alphamine resume`"
            )

    def _require_same_build(self, theirs: str) -> None:
        """The last bits of a score depend on the build that computed it."""
        if theirs != self._identity:
            raise WorkFailed(
                f"workers compute as this process does, with {self._identity}, but one has "
                f"{theirs}; install the same build on every machine and do not rebuild it during "
                "a run, then `alphamine resume`"
            )

    def _replace(
        self, slot: _WorkerSlot, waiting: deque[_Part], found: dict[int, Score], how: str
    ) -> None:
        """Put a new worker in the place of a dead one, and its formulas back in front."""
        part = slot.part
        if not slot.started:
            self._failed_starts += 1
            if self._failed_starts == _FAILED_STARTS:
                raise WorkFailed(
                    f"workers do not start: {how}, {_FAILED_STARTS} times in a row; see above, or "
                    "use the executor 'serial'"
                )
        slot.worker.stop()
        slot.worker, slot.started, slot.number, slot.part = self._launcher.start(), False, 0, None
        if part is None:
            return
        if len(part.places) > 1:
            waiting.extendleft(_Part([place]) for place in reversed(part.places))
            return
        part.deaths += 1
        if part.deaths < _DEATHS:
            waiting.appendleft(part)
        else:
            found[part.places[0]] = Score.failed(f"it killed its worker twice: {how}")


def _operators(formula: Node) -> set[str]:
    return {node.operator.name for node in formula.walk() if isinstance(node, Call)}
