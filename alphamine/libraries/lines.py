"""Formulas in a text: where one ends and the next begins, with a name or without."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from alphamine.errors import AlphamineError

_MAX_BYTES: Final = 16 << 20
_NAMED: Final = re.compile(r"([A-Za-z_][\w.]*)\s*=(?!=)\s*(.*)", re.DOTALL)
# Neither ends within a quoted word, which is matched first.
_WORD: Final = r""" "[^"\n]*" | '[^'\n]*' """
_COMMENT: Final = re.compile(rf"(?P<word>{_WORD}) | \#[^\n]* | /\*(?:[^*]|\*(?!/))*\*/", re.VERBOSE)
_STATEMENT: Final = re.compile(rf"(?: {_WORD} | [^;] )+", re.VERBOSE)


def formula_texts(text: str) -> list[str]:
    """The formulas of a list, one by one, without comments.

    Semicolons stand between formulas. A statement `NAME = FORMULA` is none by itself: it and those
    after it belong to the formula that follows, as `parse` reads them, and no other knows the name.
    So `a = close / open; rank(a); rank(volume)` are two formulas.
    """
    found, named = list[str](), list[str]()
    for statement in _STATEMENT.findall(_without_comments(text)):
        if content := statement.strip():
            named.append(content)
        if content and not _NAMED.match(content):
            found.append("; ".join(named))
            named = []
    return [*found, "; ".join(named)] if named else found


def _without_comments(text: str) -> str:
    """The text on as many lines."""
    return _COMMENT.sub(lambda m: m["word"] or " " + "\n" * m[0].count("\n"), text)


def joined(formulas: Mapping[str, str]) -> str:
    """Formulas by name as a list (see `formula_texts`) that has the same formulas, one by one.

    Raises
    ------
    AlphamineError
        If one would run on into the next: intermediate results without a formula, a quote that is
        not closed.
    """
    text = "; ".join(formulas.values())
    found = formula_texts(text)
    if len(found) != len(formulas):
        name, broken = next(
            entry
            for entry, read in zip(formulas.items(), [*found, ""], strict=False)
            if entry[1] != read
        )
        raise AlphamineError(
            f"each line is whole by itself, but {name} runs on into the next: {broken!r}; end it "
            "with the formula that uses its names, and close its quotes"
        )
    return text


def read_lines(text: str) -> dict[str, str]:
    """Formulas by name from lines `NAME = FORMULA` or `FORMULA`.

    A formula without a name is called by the number of its line; several on one line, which is then
    a list (see `formula_texts`), by that and their own: 3.1, 3.2 ... A name is that of the formula
    if one formula follows it, and else of an intermediate result: `a = close / open; rank(a)` has
    none, and `mine = a = close / open; rank(a)` has. Blank lines and comments are passed over.

    Raises
    ------
    AlphamineError
        If two have one name.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(_without_comments(text).splitlines(), 1):
        texts = formula_texts(line)
        named = _NAMED.fullmatch("; ".join(texts))
        if named and len(own := formula_texts(named[2])) == 1:
            names, texts = [named[1]], own
        elif len(texts) == 1:
            names = [str(number)]
        else:
            names = [f"{number}.{place + 1}" for place in range(len(texts))]
        for name, formula in zip(names, texts, strict=True):
            if name in found:
                raise AlphamineError(
                    f"each formula has a name of its own, but line {number} is another {name!r}; "
                    "rename one"
                )
            found[name] = formula
    return found


def read_file(path: Path) -> dict[str, str]:
    """Formulas by name from a file of lines (see `read_lines`), in UTF-8.

    Raises
    ------
    AlphamineError
        If it is missing, no text, too large, or holds no formula.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise AlphamineError(
                f"{path} is larger than {_MAX_BYTES} bytes: not a list of formulas"
            )
        found = read_lines(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise AlphamineError(f"cannot read the formulas in {path}: {error}") from None
    except UnicodeDecodeError:
        raise AlphamineError(
            f"cannot read the formulas in {path}: it is no UTF-8 text; save it as such"
        ) from None
    if not found:
        raise AlphamineError(
            f"{path} holds no formula; write one a line, `NAME = FORMULA` or alone"
        )
    return found
