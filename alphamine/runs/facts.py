"""The facts of a run as they are read from its file: of the types that a search writes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from alphamine.errors import SearchError

_NUMBER: Final = (int, float)
_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "name": str,
    "run": str,
    "version": str,
    "searcher": str,
    "seed": int,
    "options": dict,
    "grammar": dict,
    "pool": dict,
    "batch": int,
    "placebos": int,
    "earlier": dict,
    "budget": int,
    "limits": dict,
    "source": dict,
    "fitted_on": str,
    "engine": str,
    "panel": dict,
    "dataset": dict,
    "splits": dict,
    "label": dict,
    "stopped": str,
    "seconds": _NUMBER,
    "finished": str,
    "trust": dict,
    "combined": dict,
    "correlation": list,
    "recovery": (*_NUMBER, type(None)),
    "placebo": dict,
}


class Facts(dict[str, Any]):
    """Facts by name; asking for one that is not there is refused by name.

    Parameters
    ----------
    rows : iterable of (str, str)
        Names and JSON texts.
    path : Path
        Of the file, for messages.

    Raises
    ------
    SearchError
        Names a fact that is no JSON, or of another type than a search writes.
    """

    def __init__(self, rows: Iterable[tuple[str, str]], path: Path) -> None:
        self.path = path
        super().__init__(
            {name: decoded(text, f"the fact {name!r}", path, object) for name, text in rows}
        )
        for name, value in self.items():
            kind = _TYPES.get(name, object)
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not object):
                raise SearchError(
                    f"the fact {name!r} of {path} cannot be {str(value)[:60]!r} "
                    f"({type(value).__name__}); restore the file, or search anew"
                )

    def __missing__(self, name: str) -> Any:
        raise SearchError(f"{self.path} lacks the fact {name!r}; restore the file, or search anew")


def decoded(text: object, what: str, path: Path, kind: type = dict) -> Any:
    """A JSON value of a run's file, a mapping unless another kind is said.

    Raises
    ------
    SearchError
        Names what it is, if it is none.
    """
    damage = f"{what} of {path} is damaged: {str(text)[:60]!r}; restore the file, or search anew"
    if not isinstance(text, str):
        raise SearchError(damage)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise SearchError(damage) from None
    if not isinstance(value, kind):
        raise SearchError(damage)
    return value
