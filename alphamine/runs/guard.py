"""An altered ledger gives an error in words, whatever it made the reader raise."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from alphamine.errors import AlphamineError, SearchError

Given = ParamSpec("Given")
Result = TypeVar("Result")


def as_recorded(method: Callable[Given, Result]) -> Callable[Given, Result]:
    """Have a method of a run say that its ledger was altered, where that made it fail.

    An altered ledger may lead to any exception. Where the ledger is as the search has written it,
    the exception is our own fault and is raised as it is.
    """

    @wraps(method)
    def guarded(*arguments: Given.args, **settings: Given.kwargs) -> Result:
        try:
            return method(*arguments, **settings)
        except (AlphamineError, Warning):
            raise
        except Exception as error:
            run: Any = arguments[0]
            if run.altered is None:
                raise
            raise SearchError(
                f"the ledger in {run.directory} was altered: {run.altered}; it cannot be read as a "
                f"run any more ({type(error).__name__}: {' '.join(str(error).split())}); restore "
                "it, or search anew"
            ) from error

    return guarded
