"""Published sets of formulas in alphamine's language.

A set is a function that gives its texts by name, and a line in `_TEXTS`. May import `expression`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from threading import Lock
from types import MappingProxyType
from typing import Final

from alphamine.errors import AlphamineError, UnitWarning, nearest
from alphamine.expression.nodes import Node
from alphamine.expression.text.parser import parse

from .alpha158 import alpha158_texts
from .lines import read_lines

Texts = Mapping[str, str]
# Filters of warnings are the process's: threads that change them side by side undo each other's.
_ONE_AT_A_TIME: Final = Lock()


def library(name: str) -> Mapping[str, Node]:
    """A published set of formulas.

    Parameters
    ----------
    name : {"alpha101", "alpha158"}
        `alpha101`: the 82 of the "101 Formulaic Alphas" (Kakushadze 2016) that need no industry.
        `alpha158`: qlib's factors of that name.

    Returns
    -------
    mapping of str to Node
        By the formulas' published names, in their published order.

    Raises
    ------
    AlphamineError
        If there is no such library.
    """
    with _ONE_AT_A_TIME:
        return _parsed(name)


def library_texts(name: str) -> Texts:
    """As `library`, the formulas as text."""
    if name not in _TEXTS:
        raise AlphamineError(
            f"there is no formula library {name!r}{nearest(name, _TEXTS)}; "
            f"known are {', '.join(_TEXTS)}"
        )
    return _TEXTS[name]()


@cache
def _parsed(name: str) -> Mapping[str, Node]:
    with warnings.catch_warnings():
        # The authors mix units freely, which is theirs to answer for.
        warnings.simplefilter("ignore", UnitWarning)
        return MappingProxyType({key: parse(text) for key, text in library_texts(name).items()})


def alpha101_texts() -> Texts:
    """Formulas of the "101 Formulaic Alphas" by name, `alpha001` to `alpha101`."""
    return read_lines(files(__package__).joinpath("alpha101.txt").read_text("utf-8"))


_TEXTS: Final[Mapping[str, Callable[[], Texts]]] = MappingProxyType(
    {"alpha101": alpha101_texts, "alpha158": alpha158_texts}
)

__all__ = ["library", "library_texts"]
