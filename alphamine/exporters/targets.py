"""The targets of an export, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from alphamine.errors import AlphamineError, nearest
from alphamine.expression.nodes import Node
from alphamine.expression.text.latex import to_latex
from alphamine.expression.text.printer import to_text
from alphamine.extras import require
from alphamine.pool.alpha_pool import AlphaPool

from .spec import DIALECTS


def _numpy(pool: AlphaPool) -> str:
    from .numpy_target import NumpyModule

    return NumpyModule(pool).text()


def _pandas(pool: AlphaPool) -> str:
    from .pandas_target import PandasModule

    return PandasModule(pool).text()


def _polars(pool: AlphaPool) -> str:
    require("polars", "the helpers of Polars code need", "Polars", "polars")
    from .polars_target import PolarsModule

    return PolarsModule(pool).text()


def _duckdb(pool: AlphaPool) -> str:
    from .duckdb_target import DuckdbQuery

    return DuckdbQuery(pool).text()


def _streaming(pool: AlphaPool) -> str:
    from .streaming_target import StreamingModule

    return StreamingModule(pool).text()


CODE: Final[dict[str, Callable[[AlphaPool], str]]] = {
    "numpy": _numpy,
    "pandas": _pandas,
    "polars": _polars,
    "duckdb": _duckdb,
    "streaming": _streaming,
}
"""Targets that compute the signal."""


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
        If there is no such target, or it has no template of an operator.
    """
    if target not in CODE:
        known = [*CODE, "sql", *DIALECTS, "latex"]
        raise AlphamineError(
            f"the targets are {', '.join(known)}, but got {target!r}{nearest(target, known)}"
        )
    return CODE[target](pool)
