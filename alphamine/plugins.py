"""Where packages of others join in, and the functions that join them by hand.

A package brings a searcher with an entry point, and every notebook, job file, command and worker
process knows it by name:

    [project.entry-points."alphamine.searchers"]
    annealing = "my_package:AnnealingSearcher"

The class takes a `SearchContext`; its attribute `settings`, a frozen dataclass, says what can be
set. The other groups are

- `alphamine.operators`: a function without arguments that calls `alphamine.register_operator`;
- `alphamine.backends`: a class, or a function, of a panel and an
  `alphamine.engine.base.EngineSettings` that makes an engine;
- `alphamine.sources`: a subclass of `alphamine.data.sources.base.Source`, whose fields are keys of
  a specification;
- `alphamine.exporters`: a function of an `alphamine.exporters.targets.Request` that gives the text
  of each file by its name.

`alphamine.testing` tells whether a plug-in keeps its contract: `check_searcher`, `check_operator`,
`check_backend`, `check_source`, `check_exporter`.
"""

from __future__ import annotations

from alphamine.data.sources.base import Source
from alphamine.data.sources.registry import SOURCES
from alphamine.engine.base import BACKENDS
from alphamine.engine.base import Build as BuildEngine
from alphamine.exporters.targets import EXPORTERS, Exporter
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
    BACKENDS.register(name, build)


def register_source(kind: str, source: type[Source]) -> None:
    """Give a source of data a name, for `source.kind` of specifications in this process.

    Parameters
    ----------
    kind : str
    source : type of Source
        Its fields are the other keys below `source`.

    Raises
    ------
    DataError
        If the name is taken, or what is given is no source.
    """
    SOURCES.register(kind, source)


def register_exporter(target: str, exporter: Exporter) -> None:
    """Give an exporter a name, for the targets of `am.export` in this process.

    Parameters
    ----------
    target : str
    exporter : callable
        Of an `alphamine.exporters.targets.Request`, the text of each file by its name.

    Raises
    ------
    AlphamineError
        If the name is taken, or what is given cannot be called.
    """
    EXPORTERS.register(target, exporter)
