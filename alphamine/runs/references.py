"""Formulas by reference: what `library:NAME`, `run:DIRECTORY` and `file:PATH` stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from alphamine.errors import SearchError
from alphamine.evaluation.trust.deflation import TrialCount
from alphamine.libraries import library_texts
from alphamine.libraries.lines import joined, read_file

from .run import Run, open_run

LIBRARY: Final = "library:"
RUN: Final = "run:"
FILE: Final = "file:"


def named_formulas(source: str) -> dict[str, str]:
    """Formulas by name.

    Parameters
    ----------
    source : str
        `library:NAME`, a published set; `run:DIRECTORY`, the pool of a run, as it is oriented and
        shown, by position; `file:PATH`, or a path alone: a file of lines (see `read_lines`).

    Raises
    ------
    AlphamineError
        If there is no such thing.
    """
    if source.startswith(LIBRARY):
        return dict(library_texts(source.removeprefix(LIBRARY).strip()))
    if source.startswith(RUN):
        members = _with_pool(source).members
        return {str(member["position"]): str(member["formula"]) for member in members}
    return read_file(Path(source.removeprefix(FILE).strip()))


def _with_pool(source: str) -> Run:
    """The run of `run:DIRECTORY`, which has ended, and not without a pool."""
    run = open_run(source.removeprefix(RUN).strip())
    run.require_finished("formulas are taken from the pool")
    if not run.members:
        raise SearchError(f"the pool of the run in {run.directory} is empty: {run.why_empty}")
    return run


def resolved(value: Any) -> tuple[Any, TrialCount]:
    """Settings in which formulas stand in place of `run:DIRECTORY` and `file:PATH`.

    `library:NAME` stays as it is: it is short, always the same, and every reader of formulas knows
    it (see `libraries.formulas.read_formulas`). Of a run a search gets the pool's formulas as they
    were evaluated, not with the sign that they are shown with (see `named_formulas`): the same
    alphas turned round would be other formulas, each of them one more trial and a token longer.

    Parameters
    ----------
    value : text, sequence or mapping of such, or anything else
        As options of a searcher, or seeds.

    Returns
    -------
    value
        Several formulas of one reference are separated by semicolons.
    count : TrialCount
        Of all that those runs have tried: their choice was made among as many.

    Raises
    ------
    SearchError, AlphamineError
        If a directory holds no run that has ended, its pool is empty, or a file has no formula or
        a line that is no whole one.
    """
    if isinstance(value, str) and value.startswith(RUN):
        run = _with_pool(value)
        return "; ".join(record.formula for record in run.pool_records), run.trial_count
    if isinstance(value, str) and value.startswith(FILE):
        return joined(named_formulas(value)), TrialCount()
    count = TrialCount()
    if isinstance(value, Mapping):
        found: dict[str, Any] = {}
        for name, inner in value.items():
            found[name], tried = resolved(inner)
            count = count.joined(tried)
        return found, count
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = []
        for inner in value:
            item, tried = resolved(inner)
            items.append(item)
            count = count.joined(tried)
        return (value if items == list(value) else items), count
    return value, count
