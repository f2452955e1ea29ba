"""The exporter contract: laws that every target of `am.export` keeps, ours and a plug-in's.

Each law takes a `Case` and raises `AlphamineError` with the law and what broke it; `check_exporter`
runs them all. What an exporter writes is run by whoever has no alphamine, so that it is looked at
as text; `compute` lets it be run too.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.errors import AlphamineError
from alphamine.exporters.bundle import FILE_NAME, OWN_FILES
from alphamine.exporters.targets import Exporter, Request
from alphamine.pool.alpha_pool import AlphaPool

from .backend import FORMULAS, nasty_panel, read_all

Files: TypeAlias = Mapping[str, str]
Compute: TypeAlias = Callable[[Files, Panel], npt.NDArray[np.floating]]
_TOLERANCE: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Case:
    """An exporter to be tested, what it can express, and how to run what it writes."""

    exporter: Exporter
    panel: Panel
    pools: tuple[AlphaPool, ...]
    compute: Compute | None


def check_exporter(
    exporter: Exporter, compute: Compute | None = None, formulas: Sequence[str] = FORMULAS
) -> None:
    """Put an exporter to the test on single formulas.

    Parameters
    ----------
    exporter : callable
    compute : callable, optional
        `compute(files, panel)`: runs the files that were written on a panel, without alphamine, and
        gives the signal, (T, N). Each formula's is then compared with the reference.
    formulas : sequence of str
        On the fields close, volume, returns, ties, level and the group sector. The exporter may
        refuse some of them by an `AlphamineError`, but not all.

    Raises
    ------
    AlphamineError
        For the first broken law.
    """
    panel = nasty_panel()
    pools = [AlphaPool.of(formula) for formula in read_all(formulas, panel)]
    known = tuple(pool for pool in pools if _accepted(exporter, pool))
    if not known:
        raise AlphamineError("an exporter can express some formula, but it refuses all of them")
    case = Case(exporter, panel, known, compute)
    for law in LAWS:
        law(case)


def _accepted(exporter: Exporter, pool: AlphaPool) -> bool:
    try:
        exporter(Request(pool))
    except AlphamineError:
        return False
    except Exception as error:
        raise AlphamineError(
            "an exporter refuses by an AlphamineError what it cannot express exactly, but of "
            f"{pool.formulas[0]} it raised {error!r}"
        ) from error
    return True


def writes_plain_files(case: Case) -> None:
    """Texts by plain names of files, none of which every bundle has."""
    for pool in case.pools:
        files = case.exporter(Request(pool))
        if not isinstance(files, Mapping) or not files:
            raise AlphamineError(f"an exporter gives texts by file name, but got {files!r}")
        for name, text in files.items():
            if not isinstance(name, str) or not FILE_NAME.fullmatch(name) or name in OWN_FILES:
                raise AlphamineError(
                    f"files have plain names that the bundle has no other use for, but got {name!r}"
                )
            if not isinstance(text, str):
                raise AlphamineError(f"a file is a text, but {name} is {type(text).__name__}")


def repeats_itself(case: Case) -> None:
    """Equal pools give equal files: a bundle is known by their hashes."""
    for pool in case.pools:
        first, again = (dict(case.exporter(Request(pool))) for _ in range(2))
        if first != again:
            raise AlphamineError(
                f"equal pools give equal files, but those of {pool.formulas[0]} differ; write no "
                "times and no names of machines"
            )


def tells_formulas_apart(case: Case) -> None:
    """Other formulas give other files."""
    seen: dict[str, AlphaPool] = {}
    for pool in case.pools:
        text = repr(sorted(case.exporter(Request(pool)).items()))
        other = seen.setdefault(text, pool)
        if other is not pool:
            raise AlphamineError(
                f"other formulas give other files, but those of {pool.formulas[0]} and "
                f"{other.formulas[0]} are equal"
            )


def needs_no_alphamine(case: Case) -> None:
    """Python code is valid, and imports nothing of ours."""
    for pool in case.pools:
        for name, text in case.exporter(Request(pool)).items():
            if not name.endswith(".py"):
                continue
            try:
                modules = list(_imported(ast.parse(text)))
            except SyntaxError as error:
                raise AlphamineError(
                    f"code is valid, but {name} of {pool.formulas[0]} is not: {error}"
                ) from error
            if any(module.split(".")[0] == "alphamine" for module in modules):
                raise AlphamineError(f"exported code needs no alphamine, but {name} imports it")


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def computes_the_signal(case: Case) -> None:
    """What was written gives the numbers of our own signal, missing cells included."""
    if case.compute is None:
        return
    for pool in case.pools:
        got = case.compute(case.exporter(Request(pool)), case.panel)
        want = pool.signal(case.panel, "float64")
        if got.shape != want.shape:
            raise AlphamineError(f"a signal is of shape {want.shape}, but it was {got.shape}")
        with np.errstate(invalid="ignore"):
            off = np.abs(got - want) > _TOLERANCE * np.maximum(np.abs(want), 1.0)
        off |= np.isnan(got) != np.isnan(want)
        if off.any():
            row, symbol = np.argwhere(off)[0]
            raise AlphamineError(
                f"the code of a signal computes it, but of {pool.formulas[0]} row {row}, symbol "
                f"{symbol} is {got[row, symbol]}, not {want[row, symbol]}"
            )


Law = Callable[[Case], None]
LAWS: Final[tuple[Law, ...]] = (
    writes_plain_files,
    repeats_itself,
    tells_formulas_apart,
    needs_no_alphamine,
    computes_the_signal,
)
