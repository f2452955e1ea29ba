"""Drawing on request: what results below the report's floor know of figures and pages.

A factor's report, a backtest and a run can draw themselves, but the floor that draws imports
them, not they it. So it is found by name, the first time that somebody asks.
"""

from __future__ import annotations

from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

_RENDERER = "alphamine.report.renderer"


class Renderer(Protocol):
    """What the report's floor offers (see `alphamine.report.renderer`)."""

    def figures(self, result: Any) -> dict[str, go.Figure]:
        """Every figure of a result, by name."""
        ...

    def write_page(self, result: Any, path: Path, single_file: bool = False) -> Path:
        """Write a result as an HTML page, alone or with its library beside it."""
        ...

    def write_run(
        self, run: Any, path: Path, single_file: bool = False, members: bool = False
    ) -> Path:
        """Write the page of a run, alone or with the pages of its members."""
        ...


def renderer() -> Renderer:
    """The floor that draws."""
    return cast(Renderer, import_module(_RENDERER))


class Drawn:
    """A result of which a page can be written."""

    def write_html(self, path: str | PathLike[str], *, single_file: bool = False) -> Path:
        """Write the report as a page, and beside it the library that draws its figures.

        Parameters
        ----------
        path : path
            Its folder is made if it is not there.
        single_file : bool
            The library, 5 MB, is in the page itself, which can then be sent alone.

        Raises
        ------
        AlphamineError
            If a file cannot be written.
        """
        return renderer().write_page(self, Path(path), single_file)


def html_table(frame: pd.DataFrame, index: bool = True) -> str:
    """A frame as HTML, its texts escaped and whole: pandas would cut formulas at 50 characters."""
    import pandas as pd

    with pd.option_context("display.max_colwidth", None):
        return str(frame.to_html(index=index))
