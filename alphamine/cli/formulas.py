"""Formulas in tables: broken between names, never inside one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.measure import Measurement

# A line may end after an opening bracket, a comma or a space.
_PIECE: Final = re.compile(r"[^\s(,]+[(,]*\s*|[(,]+\s*|\s+")


class FormulaCell:
    """A formula that is wrapped to the width of its column.

    Parameters
    ----------
    text : str
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        yield Text("\n".join(wrapped(self.text, options.max_width)), overflow="fold")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.measure import Measurement

        longest = max((len(piece.rstrip()) for piece in pieces(self.text)), default=0)
        return Measurement(longest, len(self.text)).with_maximum(options.max_width)


def pieces(text: str) -> list[str]:
    """What may not be broken, in order; joined they are the text."""
    return _PIECE.findall(text)


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` characters, unless a single name is longer."""
    lines = [""]
    for piece in pieces(text):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]
