"""What a ledger that was altered leads to: a sentence instead of any exception."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from alphamine.errors import AlphamineError, SearchError

Given = ParamSpec("Given")
Result = TypeVar("Result")


def as_recorded(method: Callable[Given, Result]) -> Callable[Given, Result]:
    """A method of a run that reads what may have been altered into something that is no run.

    Such a ledger may lead to any exception; a sentence says what is the matter. Where the ledger
    is as the search has written it, the exception is our own fault and goes on.
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
