"""Implementation: read a task, check it, and mend what is refused, with what helped before."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

import numpy as np

from alphamine.errors import AlphamineError
from alphamine.expression.canonical import canonicalise
from alphamine.expression.fields import FieldInfo
from alphamine.expression.grammar.edits import points, replace_at
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Call, Node, call, with_inputs
from alphamine.libraries.formulas import read_formula
from alphamine.operators import CATALOGUE, Kind
from alphamine.searchers.memory import Memory
from alphamine.searchers.proposers.base import NothingAvoided, objection
from alphamine.searchers.proposers.motifs import EVERY, rescaled
from alphamine.searchers.variation import child

from .ideas import Task
from .knowledge import Knowledge

UNREADABLE, LOOKBACK, SIZE, REFUSED, KNOWN = (
    "unreadable",
    "look-back",
    "size",
    "refused",
    "known",
)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
# Names that a text gives itself, to intermediate results or to arguments.
_GIVEN_NAME: Final = re.compile(r"([A-Za-z_][A-Za-z_0-9]*)\s*=(?!=)")
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a task cannot be tried: a kind of error, and what exactly it is."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Implemented:
    """What became of a task.

    Attributes
    ----------
    formula : Node or None
        None if nothing mended it.
    log : tuple of str
        Every problem, and what was done about it.
    """

    formula: Node | None
    log: tuple[str, ...] = ()


class Implementer:
    """Where tasks become formulas.

    Parameters
    ----------
    grammar : Grammar
    memory : Memory
        Formulas that were proposed; what becomes of a task is added.
    knowledge : Knowledge
    repairs : int
        Most mends of one task.
    """

    def __init__(
        self, grammar: Grammar, memory: Memory, knowledge: Knowledge, repairs: int
    ) -> None:
        self.schema: dict[str, FieldInfo] = {field.name: field for field in grammar.fields}
        self._grammar, self._memory, self._knowledge = grammar, memory, knowledge
        self._repairs = repairs

    def implement(self, task: Task, rng: np.random.Generator) -> Implemented:
        """A formula that may be tried, made of a task's text."""
        text: str | Node = task.text
        log: list[str] = []
        formula, problem = self._checked(text)
        for _ in range(self._repairs):
            if problem is None:
                break
            before = formula if formula is not None else text
            mended = self._mended(problem, before, rng)
            if mended is None:
                break
            how, text, formula, after = mended
            log.append(f"{problem.kind} ({problem.message}): {how}")
            problem = after
        if problem is not None:
            return Implemented(None, (*log, f"{problem.kind} ({problem.message}): given up"))
        return Implemented(formula, tuple(log))

    def _mended(
        self, problem: Problem, before: str | Node, rng: np.random.Generator
    ) -> tuple[str, str | Node, Node | None, Problem | None] | None:
        """The first mend that changes the problem: how, what it made, and what is wrong with it."""
        for name, text in self._offered(problem.kind, before, rng):
            formula, after = self._checked(text)
            helped = after is None or after.kind != problem.kind
            self._knowledge.mended(problem.kind, name, helped)
            if helped or problem.kind in (LOOKBACK, SIZE):
                return name, text, formula, after
        return None

    def _offered(
        self, kind: str, before: str | Node, rng: np.random.Generator
    ) -> Iterator[tuple[str, str | Node]]:
        """Mends with what they make of a text that cannot be read, or of a formula."""
        if isinstance(before, str):
            yield from (
                ("the nearest names", text) for text in _nearest_names(self._grammar, before)
            )
            return
        for name in self._knowledge.ordered(kind, tuple(MENDS[kind])):
            yield from ((name, made) for made in MENDS[kind][name](self._grammar, before, rng))

    def _checked(self, text: str | Node) -> tuple[Node | None, Problem | None]:
        """The formula that a text stands for, and what is wrong with it."""
        if isinstance(text, str):
            try:
                formula = read_formula(text, self.schema)
            except AlphamineError as error:
                return None, Problem(UNREADABLE, str(error).splitlines()[0])
        else:
            formula = canonicalise(text)
        grammar = self._grammar
        if formula.lookback > grammar.max_lookback:
            words = f"{formula.lookback} rows, the limit is {grammar.max_lookback}"
            return formula, Problem(LOOKBACK, words)
        if formula.length > grammar.max_length or formula.levels > grammar.max_depth:
            return formula, Problem(SIZE, str(grammar.problem(formula)))
        if (found := objection(grammar, NothingAvoided(), formula)) is not None:
            return formula, Problem(REFUSED, found)
        if not self._memory.add(formula):
            return formula, Problem(KNOWN, "it orders stocks as one that was tried before")
        return formula, None


Mend = Callable[[Grammar, Node, np.random.Generator], Iterator[Node]]


def _nearest_names(grammar: Grammar, text: str) -> Iterator[str]:
    """The text with names that there are in place of those that there are not."""
    fields = [field.name for field in grammar.fields]
    own = set(_GIVEN_NAME.findall(text))
    operators = list(dict.fromkeys(move.operator.name for move in grammar.moves))

    def near(found: re.Match[str]) -> str:
        name = found.group()
        called = text[found.end() :].lstrip()[:1] == "("
        if name in (CATALOGUE if called else fields) or name in own:
            return name
        offered = operators if called else fields
        return next(iter(get_close_matches(name.lower(), offered, n=1, cutoff=0.4)), name)

    changed = _NAME.sub(near, text)
    if changed != text:
        yield changed


def _shorter(grammar: Grammar, formula: Node, rng: np.random.Generator) -> Iterator[Node]:
    """Every window at the grammar's next shorter one."""
    made = rescaled(grammar, formula, longer=False)
    if made is not formula:
        yield made


def _by(*names: str) -> Mend:
    """Edits of the tree search, each a few times."""

    def mend(grammar: Grammar, formula: Node, rng: np.random.Generator) -> Iterator[Node]:
        for name in names:
            for _ in range(_TRIES):
                try:
                    made = EVERY[name].edit(grammar, rng, formula, formula)
                except AlphamineError:
                    continue
                if made is not None:
                    yield made

    return mend


def _ranked(grammar: Grammar, formula: Node, rng: np.random.Generator) -> Iterator[Node]:
    """Ranks of the day in place of what one operator takes: they have no unit, and compare."""
    for point in points(grammar, formula):
        node = point.node
        if isinstance(node, Call) and len(node.inputs) > 1:
            ranks = [
                call("rank", part) if part.kind is Kind.NUMBER and part.fields else part
                for part in node.inputs
            ]
            yield replace_at(formula, point.path, with_inputs(node, ranks))


def _grown(grammar: Grammar, formula: Node, rng: np.random.Generator) -> Iterator[Node]:
    """A part sampled afresh."""
    for _ in range(_TRIES):
        made = child(grammar, rng, "subtree", formula, formula)
        if made is not None:
            yield made.formula


MENDS: Final[Mapping[str, Mapping[str, Mend]]] = MappingProxyType(
    {
        LOOKBACK: {"shorter windows": _shorter, "a part left out": _by("unwrap", "hoist")},
        SIZE: {"a part left out": _by("unwrap", "hoist")},
        REFUSED: {"ranks of the inputs": _ranked, "a part left out": _by("unwrap", "hoist")},
        KNOWN: {
            "another window": _by("other_window", "other_horizon"),
            "other inputs": _by("swap"),
            "a part sampled afresh": _grown,
        },
    }
)
