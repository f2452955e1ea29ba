"""Text to formula, in any dialect."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress

from alphamine.errors import FormulaError, UnitError, UnitWarning
from alphamine.expression.fields import FieldInfo
from alphamine.expression.limits import DEFAULT_LIMITS, Limits
from alphamine.expression.nodes import Node, check_root

from .dialects import DIALECTS, get_dialect
from .dialects.base import Dialect
from .pratt import read_syntax


def parse(
    text: str,
    dialect: str = "brain",
    fields: Mapping[str, FieldInfo] | None = None,
    strict_units: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> Node:
    """Read a formula.

    Parameters
    ----------
    text : str
        For instance `rank(ts_corr(close, volume, 10)) - 0.5`. In the dialect brain, comments (`#`
        to the end of the line, `/* ... */`) and named intermediate results (`a = close / open;
        rank(a)`) may stand in it.
    dialect : {"brain", "alpha101", "qlib", "alphagen"}
        Whose names and whose *semantics* the text is written in. The numbers of qlib are those
        of `values(..., min_periods=1)`, the others' those of the default.
    fields : mapping of str to FieldInfo, optional
        What names mean and which exist: `panel.schema`. By default every name is a field, with
        the kind and unit of the standard vocabulary.
    strict_units : bool
        Refuse formulas that mix units instead of warning.
    limits : Limits

    Returns
    -------
    Node

    Raises
    ------
    FormulaError
        Whatever is wrong with the text; the message has a caret and, for a misspelt name, the
        nearest known one.
    UnitError
        If units are mixed and `strict_units` is set.

    Warns
    -----
    UnitWarning
        If units are mixed.
    """
    node = _checked(text, dialect, fields, limits)
    if node.unit_problems:
        message = "; ".join(node.unit_problems)
        if strict_units:
            raise UnitError(f"{message}; make the units agree or drop strict units", text, 0)
        warnings.warn(message, UnitWarning, stacklevel=2)
    return node


def reread(text: str, fields: Mapping[str, FieldInfo] | None = None) -> Node:
    """A recorded formula: that it mixes units was said when it was first read.

    Parameters
    ----------
    text, fields
        See `parse`.

    Raises
    ------
    FormulaError
    """
    return _checked(text, "brain", fields, DEFAULT_LIMITS)


def _checked(
    text: str, dialect: str, fields: Mapping[str, FieldInfo] | None, limits: Limits
) -> Node:
    if not isinstance(text, str):
        raise FormulaError(f"a formula is text, got {type(text).__name__}")
    language = get_dialect(dialect)
    try:
        node = _read(text, language, fields, limits)
    except FormulaError as error:
        likely = _readable_in(text, dialect, fields, limits)
        if not likely:
            raise
        hint = f"; this looks like {' or '.join(likely)}: --dialect {likely[0]}, in Python "
        reason = f'{error.reason}{hint}dialect="{likely[0]}"'
        raise FormulaError(reason, error.text, error.position) from None
    try:
        check_root(node)
        limits.check(node)
    except FormulaError as error:
        raise FormulaError(error.reason, text, 0) from None
    return node


def _read(
    text: str, language: Dialect, fields: Mapping[str, FieldInfo] | None, limits: Limits
) -> Node:
    return language.read(read_syntax(text, language.notation, limits), text, fields)


def _readable_in(
    text: str, dialect: str, fields: Mapping[str, FieldInfo] | None, limits: Limits
) -> list[str]:
    """The other dialects in which a text is a formula."""
    found = []
    for name, language in DIALECTS.items():
        with suppress(FormulaError):
            if name != dialect:
                check_root(_read(text, language, fields, limits))
                found.append(name)
    return found
