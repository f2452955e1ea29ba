"""Progress of a search, for people."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from .study import SEARCHING, Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

Observer: TypeAlias = Callable[[Progress], None]


class Pace:
    """Estimates how long a search will take from its pace so far.

    Parameters
    ----------
    budget : int
    seconds : float, optional
        Its limit, if it ends earlier by that.
    clock : callable
        Monotonic clock, in seconds.
    """

    def __init__(
        self,
        budget: int,
        seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget, self.seconds, self._clock = budget, seconds, clock
        self._started = clock()
        self._first: tuple[int, float] | None = None

    def left(self, evaluated: int) -> float | None:
        """Seconds to go; None as long as there is no pace."""
        now = self._clock()
        limit = None if self.seconds is None else max(self.seconds - (now - self._started), 0.0)
        if self._first is None:  # a run that goes on has evaluated some already
            self._first = evaluated, now
        done, elapsed = evaluated - self._first[0], now - self._first[1]
        if done <= 0:
            return limit
        rest = max(self.budget - evaluated, 0) * elapsed / done
        return rest if limit is None else min(rest, limit)


def clock_text(seconds: float | None) -> str:
    """`1:05`, or `2:10:00`; `-:--` of what is not known."""
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextmanager
def progress_bar(console: Console, budget: int, seconds: float | None = None) -> Iterator[Observer]:
    """Yield an observer that draws a bar, from what it is told first to the end of the context."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.fields[phase]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(
            "best |rank IC| {task.fields[best]:.4f} of {task.completed} trials,"
            " {task.fields[members]} in the pool"
        ),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]} left"),
    )
    bar, pace = Bar(*columns, console=console), Pace(budget, seconds)
    task = bar.add_task(
        "", total=budget, best=0.0, members=0, left=clock_text(None), phase=SEARCHING
    )

    def observe(progress: Progress) -> None:
        bar.start()
        bar.update(
            task,
            completed=progress.evaluated,
            best=max(progress.best, 0.0),
            members=progress.pool_size,
            phase=progress.phase,
            left=clock_text(pace.left(progress.evaluated)),
        )

    try:
        yield observe
    finally:
        if bar.live.is_started:
            bar.stop()


@contextmanager
def notebook_bar(budget: int, seconds: float | None = None) -> Iterator[Observer]:
    """Yield an observer that keeps one line of a notebook up to date."""
    screen: Any = import_module("IPython.display")
    pace = Pace(budget, seconds)
    line = screen.display(screen.HTML("searching"), display_id=True)

    def observe(progress: Progress) -> None:
        line.update(
            screen.HTML(
                f'<progress value="{progress.evaluated}" max="{budget}"></progress> '
                f"{progress.evaluated:,} of {budget:,} trials; best |rank IC| "
                f"{max(progress.best, 0.0):.4f}, {progress.pool_size} in the pool; "
                f"{progress.phase}; "
                f"{clock_text(pace.left(progress.evaluated))} left"
            )
        )

    yield observe


@contextmanager
def shown(asked: bool | None, budget: int, seconds: float | None = None) -> Iterator[Observer]:
    """Yield an observer that shows progress where somebody sees it.

    Parameters
    ----------
    asked : bool, optional
        Whether to show it at all; by default in notebooks, and where stderr is a terminal.
    budget, seconds
        Limits of the search.
    """
    if asked is False:
        yield _nobody
    elif in_notebook():
        with notebook_bar(budget, seconds) as observe:
            yield observe
    elif asked or sys.stderr.isatty():
        from rich.console import Console

        with progress_bar(Console(file=sys.stderr), budget, seconds) as observe:
            yield observe
    else:
        yield _nobody


def in_notebook() -> bool:
    """Whether the code runs in the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


def _nobody(progress: Progress) -> None:
    """Shows nothing."""


@contextmanager
def comparison_bar(
    console: Console, budget: int, market: str = ""
) -> Iterator[Callable[[str, int, Progress], None]]:
    """Yield an observer of a comparison, which draws a bar for each run."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    place = f"{market}: " if market else ""
    with Bar(*columns, console=console) as bar:
        tasks: dict[tuple[str, int], TaskID] = {}

        def observe(name: str, seed: int, progress: Progress) -> None:
            if (name, seed) not in tasks:
                tasks[name, seed] = bar.add_task(f"{place}{name}, seed {seed}", total=budget)
            bar.update(tasks[name, seed], completed=progress.evaluated)

        yield observe
