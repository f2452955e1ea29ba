"""Progress of a search, for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .study import Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID


@contextmanager
def progress_bar(
    console: Console, budget: int, seconds: float | None = None
) -> Iterator[Callable[[Progress], None]]:
    """Yield an observer that draws a bar, from what it is told first to the end of the context."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("searching"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(
            "best |rank IC| {task.fields[best]:.4f} of {task.completed} trials,"
            " {task.fields[members]} in the pool"
        ),
        TimeElapsedColumn(),
        TextColumn("" if seconds is None else f"of at most {seconds:.0f} s"),
    )
    bar = Bar(*columns, console=console)
    task = bar.add_task("", total=budget, best=0.0, members=0)

    def observe(progress: Progress) -> None:
        bar.start()
        bar.update(
            task,
            completed=progress.evaluated,
            best=max(progress.best, 0.0),
            members=progress.pool_size,
        )

    try:
        yield observe
    finally:
        if bar.live.is_started:
            bar.stop()


@contextmanager
def comparison_bar(console: Console, budget: int) -> Iterator[Callable[[str, int, Progress], None]]:
    """Yield an observer of a comparison, which draws a bar for each run."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=console) as bar:
        tasks: dict[tuple[str, int], TaskID] = {}

        def observe(name: str, seed: int, progress: Progress) -> None:
            if (name, seed) not in tasks:
                tasks[name, seed] = bar.add_task(f"{name}, seed {seed}", total=budget)
            bar.update(tasks[name, seed], completed=progress.evaluated)

        yield observe
