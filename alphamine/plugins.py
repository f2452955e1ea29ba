"""Where packages of others join in, and the functions that join them by hand.

A package brings a searcher with an entry point, and every notebook, job file, command and worker
process knows it by name:

    [project.entry-points."alphamine.searchers"]
    annealing = "my_package:AnnealingSearcher"

The class takes a `SearchContext`; its attribute `settings`, a frozen dataclass, says what can be
set. An engine is brought likewise, as an entry point of the group `alphamine.backends`: a class, or
a function, of a panel and `alphamine.engine.base.EngineSettings`.
`alphamine.testing` tells whether a plug-in keeps its contract: `check_searcher`, `check_backend`.
"""

from __future__ import annotations

from alphamine.engine.base import BACKENDS
from alphamine.engine.base import Build as BuildEngine
from alphamine.searchers.registry import SEARCHERS, Build, Entry


def register_searcher(
    name: str, build: Build, settings: type | None = None, meaning: str | None = None
) -> None:
    """Give a searcher a name, for this process.

    Parameters
    ----------
    name : str
    build : class or callable
        Of a `SearchContext`, a searcher.
    settings : type, optional
        A dataclass; by default the attribute `settings` of `build`, or none.
    meaning : str, optional
        One line; by default the first of the docstring.

    Raises
    ------
    SearchError
        If the name is taken, or the settings are no dataclass.
    """
    SEARCHERS.add(name, Entry.of(build, settings, meaning))


def register_backend(name: str, build: BuildEngine) -> None:
    """Give an engine a name, for `backend=` in this process.

    Parameters
    ----------
    name : str
    build : class or callable
        Of a panel and `EngineSettings`, an `alphamine.engine.base.Engine`; a `ValuesEngine` has
        to compute values only.

    Raises
    ------
    AlphamineError
        If the name is taken, or what is given cannot be called.
    """
    BACKENDS.add(name, build)
