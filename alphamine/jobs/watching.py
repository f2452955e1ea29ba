"""A run seen from outside while it searches: read from its ledger, never written to."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alphamine.llm.base import Usage
from alphamine.llm.settings import LLMSettings
from alphamine.runs.run_state import RunState
from alphamine.runs.store import EVENTS_NAME, Store

from .progress import Pace

LEADERS: Final = 5


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """A run at one moment.

    Attributes
    ----------
    name, searcher : str
    evaluated, budget : int
    curve : tuple of float
        The best fitness (|rank IC| on train) so far, after each trial.
    leaders : tuple of (str, float)
        The formulas of the highest fitness, each picked out of all trials.
    pool : int or None
        Formulas in the pool at the last checkpoint.
    rate : float
        Formulas a second since the last look; NaN at first.
    left : float or None
        Seconds to go.
    spent : Usage
        What a language model has cost.
    stopped : str or None
        Why the search ended; None while it goes on or after it was killed.
    """

    name: str
    searcher: str
    evaluated: int
    budget: int
    curve: tuple[float, ...]
    leaders: tuple[tuple[str, float], ...]
    pool: int | None
    rate: float
    left: float | None
    spent: Usage
    stopped: str | None

    def to_dict(self) -> dict[str, Any]:
        """Everything but the curve, as JSON-compatible values."""
        return {
            "name": self.name,
            "searcher": self.searcher,
            "evaluated": self.evaluated,
            "budget": self.budget,
            "best": self.curve[-1] if self.curve and math.isfinite(self.curve[-1]) else None,
            "leaders": [{"formula": text, "fitness": value} for text, value in self.leaders],
            "pool": self.pool,
            "rate": self.rate if math.isfinite(self.rate) else None,
            "left": self.left,
            "spent": {"calls": self.spent.calls, "tokens": self.spent.tokens}
            | {"money": self.spent.money},
            "stopped": self.stopped,
        }


class RunWatcher:
    """Follows one run directory.

    Parameters
    ----------
    directory : Path
    clock : callable
        Seconds that only grow.

    Raises
    ------
    SearchError
        If the directory holds no run.
    """

    def __init__(self, directory: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.directory, self._clock = directory, clock
        with closing(Store.open(directory)) as store:
            state = RunState(store.facts())
        self.name, self.searcher = state.name, state.searcher
        self.budget = state.limits.evaluations
        self._pace = Pace(self.budget, None, clock)
        self._curve: list[float] = []
        self._last: tuple[int, float] | None = None
        model = LLMSettings.of(state.llm) if state.llm else None
        self._calls = _Lines(directory / "llm.jsonl" if model is None else model.record(directory))
        self._events = _Lines(directory / EVENTS_NAME)
        self._spent, self._pool = Usage(), None

    def look(self) -> RunSnapshot:
        """The run as it is now."""
        with closing(Store.open(self.directory)) as store:
            fresh = store.fitness(len(self._curve))
            leaders = store.leaders(LEADERS)
            stopped = RunState(store.facts()).stopped
        for value in fresh:
            best = self._curve[-1] if self._curve else -math.inf
            self._curve.append(max(best, value) if math.isfinite(value) else best)
        for line in self._calls.fresh():
            if isinstance(line.get("usage"), dict):
                self._spent += Usage(**line["usage"])
        for line in self._events.fresh():
            self._pool = line.get("pool", self._pool)
        evaluated, now = len(self._curve), self._clock()
        rate = math.nan
        if self._last is not None and now > self._last[1]:
            rate = (evaluated - self._last[0]) / (now - self._last[1])
        self._last = evaluated, now
        return RunSnapshot(
            self.name,
            self.searcher,
            evaluated,
            self.budget,
            tuple(self._curve),
            tuple(leaders),
            self._pool,
            rate,
            self._pace.left(evaluated) if stopped is None else 0.0,
            self._spent,
            stopped,
        )


class _Lines:
    """A file of JSON lines that somebody else appends to; what is no whole line yet, waits."""

    def __init__(self, path: Path) -> None:
        self._path, self._place = path, 0

    def fresh(self) -> list[dict[str, Any]]:
        """The lines since the last call; damaged ones are left out."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._place)
                text = file.read()
        except OSError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._place += len(whole)
        found = []
        for line in whole.splitlines():
            try:
                content = json.loads(line)
            except ValueError:
                continue
            if isinstance(content, dict):
                found.append(content)
        return found
