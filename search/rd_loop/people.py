"""What a person says: words alone, or formulas, with words and a colon before them as a rule."""

from __future__ import annotations

import re
from collections.abc import Set
from typing import Final

from alphamine.libraries.lines import formula_texts
from alphamine.operators import CATALOGUE

from .ideas import PERSON, Hypothesis, Idea, Task

_NAME: Final = re.compile(r"\w+")
_CALLED: Final = re.compile(r"\w+(?=\s*\()")
# No formula has two names side by side; a clause of words has.
_CLAUSE: Final = re.compile(r"[^\W\d]\w*\s+[^\W\d]")


def formulas_of(said: str, fields: Set[str]) -> Idea | None:
    """WORDS: FORMULA; FORMULA as a hypothesis with all of its formulas; None for words alone.

    The formulas are the longest end of the text, after a colon or all of it, that may be some:
    it names a field or calls an operator, has no clause of words, and has a `?` for each of its
    colons.
    """
    for start in (0, *(colon.end() for colon in re.finditer(":", said))):
        rest = said[start:]
        if _CLAUSE.search(rest) or rest.count(":") != rest.count("?"):
            continue
        if fields & set(_NAME.findall(rest)) or CATALOGUE.keys() & set(_CALLED.findall(rest)):
            words = said[: max(0, start - 1)].strip() or said
            supposed = Hypothesis(words, "a person has said so", "what was said", PERSON, PERSON)
            return Idea(supposed, tuple(map(Task, formula_texts(rest))))
    return None
