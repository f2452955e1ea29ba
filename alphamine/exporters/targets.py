"""The targets of an export, by name: those that are built in, and those of plug-ins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from alphamine.errors import AlphamineError, nearest
from alphamine.expression.nodes import Node
from alphamine.expression.text.latex import to_latex
from alphamine.expression.text.printer import to_text
from alphamine.extras import require
from alphamine.pool.alpha_pool import AlphaPool
from alphamine.registry import Registry

from .spec import DIALECTS

if TYPE_CHECKING:
    from alphamine.data.panel import Panel


@dataclass(frozen=True, slots=True)
class Request:
    """What an exporter is asked for.

    Attributes
    ----------
    pool : AlphaPool
        The signal: formulas with weights, and how they are standardised.
    name : str
        Of the bundle's directory, which is a package.
    panel : Panel, optional
        Of somebody who wants days of it in the bundle.
    """

    pool: AlphaPool
    name: str = "signal"
    panel: Panel | None = None


Exporter: TypeAlias = Callable[[Request], Mapping[str, str]]
"""Of a request, the text of each file by its name. It refuses by an `AlphamineError` what its
target cannot express exactly: nothing is approximated."""


def _code(target: str, printer: str, file: str | None = None) -> Exporter:
    """A target whose one file computes the signal."""

    def export(request: Request) -> Mapping[str, str]:
        module = import_module(f".{target}_target", __package__)
        return {file or f"signal_{target}.py": getattr(module, printer)(request.pool).text()}

    return export


def _polars(request: Request) -> Mapping[str, str]:
    require("polars", "the helpers of Polars code need", "Polars", "polars")
    return _code("polars", "PolarsModule")(request)


def _qlib(request: Request) -> Mapping[str, str]:
    from .qlib_target import qlib_files

    return qlib_files(request.pool, request.name, request.panel)


def _latex(request: Request) -> Mapping[str, str]:
    lines = [rf"\[ {to_latex(formula)} \]" for formula in request.pool.formulas]
    return {"formulas.tex": "\n".join(lines) + "\n"}


def _exporter(given: Any) -> Exporter:
    if not callable(given):
        raise AlphamineError(
            f"an exporter is a function of a Request that gives texts by file name, but got "
            f"{given!r}"
        )
    found: Exporter = given
    return found


EXPORTERS: Final[Registry[Exporter]] = Registry(
    "target",
    "alphamine.exporters",
    {
        "numpy": _code("numpy", "NumpyModule"),
        "pandas": _code("pandas", "PandasModule"),
        "polars": _polars,
        "duckdb": _code("duckdb", "DuckdbQuery", "signal.sql"),
        "streaming": _code("streaming", "StreamingModule"),
        "qlib": _qlib,
        "latex": _latex,
    },
    _exporter,
    AlphamineError,
)


def text_of(formula: Node, target: str) -> str:
    """A formula for something else: see `Node.to`."""
    if target == "latex":
        return to_latex(formula)
    if target in DIALECTS:
        return to_text(formula, target)
    return code_of(AlphaPool.of(formula), {"sql": "duckdb"}.get(target, target))


def code_of(pool: AlphaPool, target: str) -> str:
    """The code of a pool's signal.

    Raises
    ------
    AlphamineError
        If there is no such target, it has more than one file, or it cannot express an operator.
    """
    if target not in EXPORTERS:
        known = [*dict.fromkeys([*EXPORTERS, "sql", *DIALECTS])]
        raise AlphamineError(
            f"the targets are {', '.join(known)}, but got {target!r}{nearest(target, known)}"
        )
    files = EXPORTERS[target](Request(pool))
    if len(files) != 1:
        raise AlphamineError(
            f"the target {target!r} is {len(files)} files and no text; write them with am.export"
        )
    return next(iter(files.values()))
