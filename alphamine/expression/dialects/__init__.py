"""Dialects: the languages that formulas are read from and written in."""

from __future__ import annotations

from alphamine.errors import FormulaError, nearest

from .base import Dialect
from .brain import Brain

DIALECTS: dict[str, Dialect] = {d.name: d for d in (Brain(),)}


def get_dialect(name: str) -> Dialect:
    """The dialect called `name`.

    Raises
    ------
    FormulaError
        If there is none.
    """
    try:
        return DIALECTS[name]
    except KeyError:
        raise FormulaError(
            f"there is no dialect {name!r}{nearest(name, DIALECTS)}; "
            f"known are {', '.join(DIALECTS)}"
        ) from None


__all__ = ["DIALECTS", "Dialect", "get_dialect"]
