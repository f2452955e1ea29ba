"""Dialects: the languages that formulas are read from and written in."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from alphamine.errors import FormulaError, nearest

from .alpha101 import Alpha101
from .alphagen import AlphaGen
from .base import Dialect
from .brain import Brain
from .qlib import Qlib

DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType(
    {d.name: d for d in (Brain(), Alpha101(), Qlib(), AlphaGen())}
)


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
