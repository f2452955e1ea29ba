"""Formulas given as text, one by one or by the name of a library."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from alphamine.errors import UnitWarning
from alphamine.expression.canonical import canonicalise
from alphamine.expression.fields import FieldInfo
from alphamine.expression.nodes import Node
from alphamine.expression.portable import from_data, to_data
from alphamine.expression.text.parser import parse

from . import library

_LIBRARY = "library:"


def read_formulas(text: str, schema: Mapping[str, FieldInfo]) -> list[Node]:
    """Canonical formulas from a list with semicolons, or of `library:NAME`.

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
            found = [parse(part, fields=schema) for part in text.split(";") if part.strip()]
    return list(dict.fromkeys(map(canonicalise, found)))
