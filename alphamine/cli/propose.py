"""`alphamine propose RUN_DIR HYPOTHESIS`: what a person supposes is tried next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .output import console


def propose(
    run_dir: Annotated[Path, typer.Argument(help="Directory of a run of rd_loop.")],
    hypothesis: Annotated[str, typer.Argument(help='Words, or "WORDS: FORMULA; FORMULA".')],
) -> None:
    """Put a hypothesis at the head of the queue of a run that goes on, or will be resumed."""
    from alphamine.jobs.inbox import propose as put

    put(run_dir, hypothesis)
    console().print(
        f"noted; it is tried next if the run is going on, else by `alphamine resume {run_dir}`",
        soft_wrap=True,
    )
