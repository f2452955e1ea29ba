"""The one family of errors. A message names the law, the value that broke it, and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

# Of what a message about data may say.
_LONGEST: Final = 900


class AlphamineError(Exception):
    """Base of every error that alphamine raises on purpose.

    On the command line each of them ends with one message and exit code 2, except `WorkFailed`.
    """

    exit_code = 2


class FormulaError(AlphamineError):
    """A formula breaks a law of the language: syntax, types, limits.

    Parameters
    ----------
    message : str
        The law, the value and the fix.
    text : str, optional
        The formula as it was written; with `position` the message carries a caret.
    position : int, optional
        Offset into `text` of the first offending character.
    """

    def __init__(self, message: str, text: str | None = None, position: int | None = None) -> None:
        self.reason = message
        self.text = text
        self.position = position
        super().__init__(self._render())

    def _render(self) -> str:
        if self.text is None or self.position is None:
            return self.reason
        # Long formulas are cut around the caret so that the message stays readable.
        start = max(0, self.position - 60)
        excerpt = self.text[start : self.position + 60].replace("\n", " ").replace("\t", " ")
        return f"{self.reason}\n  {excerpt}\n  {' ' * (self.position - start)}^"


class UnitError(FormulaError):
    """Quantities of different units are mixed, and the caller asked for strict units."""


class UnitWarning(UserWarning):
    """Quantities of different units are mixed."""


class OperatorError(AlphamineError):
    """An operator's definition or its numpy function breaks the operator contract."""


class DataError(AlphamineError):
    """Input data or a dataset specification breaks a law of `alphamine.data`.

    The message is one line of bounded length, whatever it quotes from a file.
    """

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        if len(line) > _LONGEST:
            # The law is said at the beginning, the fix at the end.
            line = f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 3 :]}"
        super().__init__(line)


class DataWarning(UserWarning):
    """Input data can be read in two ways, or lack something; the message says how to settle it."""


class LedgerWarning(UserWarning):
    """A dataset's ledger cannot be read or written; the message says what that means."""


class SearchError(AlphamineError):
    """A search was asked for something that cannot be done."""


class MissingDependency(AlphamineError):
    """An optional package is needed; the message says how to install it."""


class WorkFailed(AlphamineError):
    """The request was fine, the work could not be completed."""

    exit_code = 1


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint to end a message with: `; did you mean 'ts_mean'?`, or nothing."""
    # A name as long as a formula is no misspelling, and comparing it would take its time.
    near = difflib.get_close_matches(name, known, n=1) if len(name) <= 64 else []
    return f"; did you mean {near[0]!r}?" if near else ""


class Hinted:
    """A class whose misspelt attributes are answered by the nearest name."""

    __slots__ = ()

    if not TYPE_CHECKING:  # to a type checker, what is not declared is an error

        def __getattr__(self, name: str) -> object:
            known = [] if name.startswith("_") else [n for n in dir(self) if n[0] != "_"]
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}{nearest(name, known)}",
                name=name,
                obj=self,
            )
