"""Formulas given as text, one by one or by the name of a library."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from alphamine.errors import AlphamineError, UnitWarning
from alphamine.expression.canonical import canonicalise
from alphamine.expression.fields import FieldInfo
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Node
from alphamine.expression.portable import from_data, to_data
from alphamine.expression.text.parser import parse

from . import library
from .lines import formula_texts

_LIBRARY = "library:"
_SHOWN = 80


def read_formulas(text: str, schema: Mapping[str, FieldInfo]) -> list[Node]:
    """Canonical formulas from a list with semicolons (see `formula_texts`), or of `library:NAME`.

    Raises
    ------
    AlphamineError
        If a formula cannot be read, or there is no such library.
    """
    with warnings.catch_warnings():
        # The grammar judges units.
        warnings.simplefilter("ignore", UnitWarning)
        if text.startswith(_LIBRARY):
            published = library(text.removeprefix(_LIBRARY)).values()
            found = [from_data(to_data(formula), schema) for formula in published]
        else:
            found = [parse(part, fields=schema) for part in formula_texts(text)]
    return list(dict.fromkeys(map(canonicalise, found)))


def fitting_formulas(text: str, grammar: Grammar) -> list[Node]:
    """As `read_formulas`; of a library those that a grammar allows, as nobody chose each of them.

    If it allows none, all of them, so that who wants them can say what is wrong.

    Raises
    ------
    AlphamineError
        As `read_formulas`.
    """
    found = read_formulas(text, {field.name: field for field in grammar.fields})
    fitting = [formula for formula in found if grammar.problem(formula) is None]
    return fitting if fitting and text.startswith(_LIBRARY) else found


def read_formula(text: str, schema: Mapping[str, FieldInfo]) -> Node:
    """The canonical formula that a text is; of a list, there is one formula in it.

    Raises
    ------
    AlphamineError
        If it cannot be read, or is no formula or several.
    """
    found = read_formulas(text, schema)
    if len(found) != 1:
        raise AlphamineError(
            f"a text that stands for one formula has {len(found)}: {text[:_SHOWN]!r}; a semicolon "
            "stands between two, unless what is before it is `NAME = FORMULA`"
        )
    return found[0]
