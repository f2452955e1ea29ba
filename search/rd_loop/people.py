"""What a person says: words alone, or formulas, with words and a colon before them as a rule."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from alphamine.errors import FormulaError
from alphamine.expression.fields import FieldInfo
from alphamine.expression.limits import DEFAULT_LIMITS
from alphamine.expression.text.dialects import get_dialect
from alphamine.expression.text.parser import reread
from alphamine.expression.text.pratt import read_syntax
from alphamine.expression.text.syntax import Apply, Name, Syntax
from alphamine.libraries.lines import formula_texts
from alphamine.operators import CATALOGUE

from .ideas import PERSON, Hypothesis, Idea, Task

_NAME: Final = re.compile(r"\w+")
# Two words side by side, which no formula has.
_CLAUSE: Final = re.compile(r"\b(?!(?:and|or|not)\b)\w+\s+(?!(?:and|or|not)\b)\w")
# What formulas have and prose has not; hyphens and commas are in both.
_SIGN: Final = re.compile(r"[()+*/?<>=]")
_CALL: Final = re.compile(r"\?|\w\(")
_NEAR: Final = 0.75
_FORMULA, _NUMBER, _WORDS = "formula", "number", "words"


def formulas_of(said: str, schema: Mapping[str, FieldInfo]) -> Idea | None:
    """WORDS: FORMULA; FORMULA as a hypothesis with all of its formulas; None for words alone.

    The formulas are the longest end of the text, after a colon or all of it, that the parser reads
    as some, or would but for a misspelt name or a slip of syntax.
    """
    for slips in (False, True):
        for start in _starts(said, schema):
            texts = formula_texts(said[start:])
            # Without a colon before them, a few words look like formulas: `price/volume`.
            sign = _SIGN if start else _CALL
            kinds = {_kind(text, schema, sign if slips else None) for text in texts}
            # A number by itself may stand beside formulas, and is given up by its name.
            if _FORMULA in kinds and _WORDS not in kinds:
                words = said[: max(0, start - 1)].strip() or said
                supposed = Hypothesis(
                    words, "a person has said so", "what was said", PERSON, PERSON
                )
                return Idea(supposed, tuple(map(Task, texts)))
    return None


def _starts(said: str, schema: Mapping[str, FieldInfo]) -> Iterator[int]:
    """Where formulas may begin: not after the colon of a ternary, though it cannot be read."""
    yield 0
    before, conditions = 0, 0
    for colon in re.finditer(":", said):
        part = said[before : colon.start()]
        before = colon.end()
        if not _is_clause(part, schema):
            conditions += part.count("?")
        if conditions:
            conditions -= 1
        else:
            yield before


def _kind(text: str, schema: Mapping[str, FieldInfo], sign: re.Pattern[str] | None) -> str:
    """A formula is what the parser reads, or would but for a misspelt name or a wrong argument.

    Or, for who made another slip and is to be told so, what has a sign of formulas and no clause.
    """
    looks = (
        sign is not None
        and sign.search(text) is not None
        and text.count(":") <= text.count("?")
        and not _is_clause(text, schema)
    )
    if looks:
        return _FORMULA
    try:
        return _FORMULA if reread(text, schema).fields else _NUMBER
    except FormulaError:
        pass
    try:
        syntax = read_syntax(text, get_dialect("brain").notation, DEFAULT_LIMITS)
    except FormulaError:
        return _WORDS
    names, called = set[str](), set[str]()
    _collect(syntax, names, called)
    # Words that hyphens join (`volume-weighted`) are far from any field.
    near = (
        bool(names - schema.keys())
        and all(get_close_matches(name, schema, 1, _NEAR) for name in names)
        and all(get_close_matches(name, CATALOGUE, 1, _NEAR) for name in called)
    )
    return _FORMULA if near or called & CATALOGUE.keys() else _WORDS


def _is_clause(text: str, schema: Mapping[str, FieldInfo]) -> bool:
    """Whether a text has two words side by side, or none that formulas are made of."""
    known = any(name in schema or name in CATALOGUE for name in _NAME.findall(text))
    return not known or _CLAUSE.search(text) is not None


def _collect(syntax: Syntax, names: set[str], called: set[str]) -> None:
    """Add the names of fields and of called operators in a syntax."""
    if isinstance(syntax, Name):
        names.add(syntax.text)
    elif isinstance(syntax, Apply):
        if not syntax.infix:
            called.add(syntax.name)
        for part in syntax.arguments:
            _collect(part, names, called)
