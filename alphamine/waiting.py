"""What goes on in work that takes longer than a moment, for whoever waits."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def steps(asked: bool | None) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows the step that begins.

    On a terminal it is one line that is gone at the end.

    Parameters
    ----------
    asked : bool, optional
        Whether to show it; by default where stderr is a terminal.
    """
    shown = sys.stderr.isatty() if asked is None else asked
    if not shown:
        yield _unseen
        return
    from rich.console import Console

    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield console.print
        return
    with console.status("") as line:
        yield lambda step: line.update(step)


def _unseen(step: str) -> None:
    """Nobody is waiting."""
