"""What a language model is told in a research loop.

It never sees dates, symbols or test. Of valid it learns whether a model was accepted, no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from typing import Any, Final

from alphamine.expression.grammar.grammar import Grammar
from alphamine.searchers.proposers.prompts import (
    FACTOR,
    json_schema,
    numbers,
    plain,
    specification,
)

from .ideas import NEW, PRUNE, REFINE, Situation
from .model_moves import KINDS, LIMITS

FACTORS_ID: Final = "research factors/2"
MODEL_ID: Final = "research model/2"
_SHOWN: Final = 12
_LINE: Final = 300
# As long as a person's hypothesis may be.
_PERSON: Final = 1000

_SYSTEM: Final = Template("""\
You do research on formulaic alpha factors. $factor One model combines a library of factors into a \
signal. State a hypothesis, the reason for it, what should be observed if it is true, and what \
tests it: formulas, or a model. Whether the library gains is decided by measurement, not by \
argument.

${specification}4. Use nothing from the future. Do not repeat what was tried.
5. Start with simple formulas and combine them later. After several failures, change direction.

Answer with one JSON object and nothing else.
""")
_FACTORS: Final = Template("""\
$task

$shown, with what was measured on the training period:
$library

What was tried most recently, the latest last:
$log
$person
Give one hypothesis and $wanted, as
{"hypothesis": "...", "reason": "...", "expected": "...", "family": "two or three words", \
"formulas": ["rank(ts_corr(close, volume, 10))"]}""")
_MODEL: Final = Template("""\
Propose a model that combines the $size factors of the library better than the one in use. In use: \
$standing.

Models, the limits of their settings, and the hypothesis behind each:
$models

Tried for this library and not accepted: $refused.

What was tried most recently, the latest last:
$log

Give one hypothesis and one model, as
{"hypothesis": "...", "reason": "...", "expected": "...", "family": "two or three words", \
"model": "$first", "settings": [{"name": "...", "value": 1.0}], "tune": false}
Settings that you leave out keep their defaults. $tuning""")
_TUNING: Final = Template(
    'If "tune" is true, the settings are chosen on folds of the training period (trials: $count).'
)
_TASKS: Final[Mapping[str, str]] = {
    NEW: "Propose new factors, unlike those of the library.",
    REFINE: "Improve one or two factors of the library.",
    PRUNE: "Make one or two factors of the library simpler: fewer tokens, nearly the same rank IC.",
}
_WORDS: Final = {
    "hypothesis": {"type": "string"},
    "reason": {"type": "string"},
    "expected": {"type": "string"},
    "family": {"type": "string"},
}
FACTORS_SCHEMA: Final[Mapping[str, Any]] = json_schema(
    **_WORDS, formulas={"type": "array", "items": {"type": "string"}}
)
MODEL_SCHEMA: Final[Mapping[str, Any]] = json_schema(
    **_WORDS,
    model={"type": "string"},
    settings={
        "type": "array",
        "items": json_schema(name={"type": "string"}, value={"type": "number"}),
    },
    tune={"type": "boolean"},
)


def system(grammar: Grammar, descriptions: Mapping[str, str]) -> str:
    """The stable beginning of every conversation, byte for byte, so that servers can cache it."""
    return _SYSTEM.substitute(factor=FACTOR, specification=specification(grammar, descriptions))


def factors(situation: Situation, count: int) -> str:
    """The question for a hypothesis about factors."""
    said = plain(situation.words, _PERSON)
    total = len(situation.library)
    return _FACTORS.substitute(
        task=_TASKS[situation.arm],
        shown=f"The best {_SHOWN} of the library's {total} factors"
        if total > _SHOWN
        else "The library, best first",
        library=_library(situation),
        log=_log(situation),
        person=f"\nA person supposes: {said}. Take this as the hypothesis.\n" if said else "",
        wanted="one formula that tests it"
        if count == 1
        else f"at most {count} formulas that test it",
    )


def model(situation: Situation, tuning: int) -> str:
    """The question for a hypothesis about the model, of which so many settings may be tried."""
    lines = []
    for name in situation.models:
        limits = ", ".join(f"{k} {x.low:g} to {x.high:g}" for k, x in LIMITS[name].items())
        lines.append(f"- {name}: {limits}; {KINDS[name][0]}")
    return _MODEL.substitute(
        size=len(situation.accepted),
        standing=situation.model or "none",
        models="\n".join(lines),
        refused="; ".join(sorted(situation.refused)) or "none yet",
        log=_log(situation),
        first=situation.models[0],
        tuning=_TUNING.substitute(count=tuning) if tuning else 'Leave "tune" false.',
    )


def _library(situation: Situation) -> str:
    found = [f"- {m.formula} ({numbers(m.scores)})" for m in situation.library[:_SHOWN]]
    return "\n".join(found) or "- nothing yet"


def _log(situation: Situation) -> str:
    return "\n".join(f"- {plain(line, _LINE)}" for line in situation.log) or "- nothing yet"
