"""From text to tokens. Nothing is interpreted here, and no text can make it slow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from alphamine.errors import FormulaError

# Every alternative is linear in its length: no nested repetition over the same characters.
_TOKEN: Final = re.compile(
    r"""
    (?P<space>[ \t\r\n]+)
  | (?P<comment>\#[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?)
  | (?P<days>\d+d\b)
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<name>\$?[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
  | (?P<word>"[^"\n]*"|'[^'\n]*')
  | (?P<symbol>\*\*|<=|>=|==|!=|&&|\|\||[-+*/^<>=!?:(),&|;])
  | (?P<other>.)
    """,
    re.VERBOSE | re.ASCII | re.DOTALL,
)


class Token(NamedTuple):
    """A piece of text; `kind` is days, number, name, word (quoted), symbol or end."""

    kind: str
    text: str
    position: int


def tokens(text: str) -> Iterator[Token]:
    """The tokens of `text`, then `end` tokens without end.

    Raises
    ------
    FormulaError
        At the first character that begins no token.
    """
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind == "comment" and match.group()[:2] == "/*" and not match.group().endswith("*/"):
            raise FormulaError("a comment that starts with /* ends with */", text, match.start())
        if kind in ("space", "comment"):
            continue
        if kind == "other":
            raise FormulaError(
                f"{match.group()!r} has no meaning in a formula; formulas are made of names, "
                "numbers, ( ) , and infix operators",
                text,
                match.start(),
            )
        yield Token(kind, match.group(), match.start())
    while True:
        yield Token("end", "", len(text))


def shortened(text: str) -> str:
    """`text` for a message: cut where it is longer than any name."""
    return text if len(text) <= 64 else text[:61] + "..."
