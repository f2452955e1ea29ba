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
_NEAR: Final = 0.75


def formulas_of(said: str, schema: Mapping[str, FieldInfo]) -> Idea | None:
    """WORDS: FORMULA; FORMULA as a hypothesis with all of its formulas; None for words alone.

    The formulas are the longest end of the text, after a colon or all of it, that the parser reads
    as some, or would but for a misspelt name.
    """
    for start in _starts(said, schema):
        texts = formula_texts(said[start:])
        if texts and all(_is_formula(text, schema) for text in texts):
            words = said[: max(0, start - 1)].strip() or said
            supposed = Hypothesis(words, "a person has said so", "what was said", PERSON, PERSON)
            return Idea(supposed, tuple(map(Task, texts)))
    return None


def _starts(said: str, schema: Mapping[str, FieldInfo]) -> Iterator[int]:
    """Where formulas may begin: not after the colon of a ternary, though it cannot be read."""
    yield 0
    before, conditions = 0, 0
    for colon in re.finditer(":", said):
        part = said[before : colon.start()]
        before = colon.end()
        if not _CLAUSE.search(part) and any(
            name in schema or name in CATALOGUE for name in _NAME.findall(part)
        ):
            conditions += part.count("?")
        if conditions:
            conditions -= 1
        else:
            yield before


def _is_formula(text: str, schema: Mapping[str, FieldInfo]) -> bool:
    """Whether the parser reads a text, or would but for a misspelt name or a wrong argument."""
    try:
        return bool(reread(text, schema).fields)
    except FormulaError:
        pass
    try:
        syntax = read_syntax(text, get_dialect("brain").notation, DEFAULT_LIMITS)
    except FormulaError:
        return False
    names, called = set[str](), set[str]()
    _collect(syntax, names, called)
    if called & CATALOGUE.keys():
        return True
    # Words that hyphens join (`volume-weighted`) are far from any field.
    return (
        bool(names - schema.keys())
        and all(get_close_matches(name, schema, 1, _NEAR) for name in names)
        and all(get_close_matches(name, CATALOGUE, 1, _NEAR) for name in called)
    )


def _collect(syntax: Syntax, names: set[str], called: set[str]) -> None:
    """Add the names of fields and of called operators in a syntax."""
    if isinstance(syntax, Name):
        names.add(syntax.text)
    elif isinstance(syntax, Apply):
        if not syntax.infix:
            called.add(syntax.name)
        for part in syntax.arguments:
            _collect(part, names, called)
