"""Windows and literals of given formulas, tuned by a tree-structured Parzen estimator.

Bergstra et al., "Algorithms for Hyper-Parameter Optimization" (NIPS 2011), as Optuna has it. Being
a searcher, it sees train scores only, every setting that it tries is a trial in the run's ledger,
and its runs can be stopped and resumed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from alphamine.errors import SearchError
from alphamine.expression.canonical import canonicalise
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Call, Constant, Node, call, constant, with_inputs
from alphamine.extras import parzen_study, require
from alphamine.libraries.formulas import fitting_formulas
from alphamine.pool.model import PoolModel

from .base import Candidate, Evaluation, SearchContext
from .memory import CAPACITY, Memory

_NEED: Final = "tune needs"
_ATTEMPTS: Final = 20
# Settings that are gone through in one go where hardly any fits: a second or two.
_AT_MOST: Final = 20_000
Values = tuple[int | float, ...]


@dataclass(frozen=True, slots=True)
class TuneSettings:
    """Settings of `TuneSearcher`.

    Attributes
    ----------
    formulas : str
        What is tuned: one formula, or several with semicolons between them, `library:NAME`, or
        those of a pool (`run:DIRECTORY`) or of a file (`file:PATH`); by default the seeds of the
        search. They take turns; those without a window or a literal are left out.
    memory : int
        Proposals that are not repeated.
    """

    formulas: str = ""
    memory: int = CAPACITY


class TuneSearcher:
    """Proposes given formulas with other windows and literals of the grammar.

    Parameters
    ----------
    context : SearchContext
        With `TuneSettings`.

    Raises
    ------
    SearchError
        If there is no formula with a window or a literal, or one that no setting fits.
    """

    def __init__(self, context: SearchContext) -> None:
        require("optuna", _NEED, "Optuna")
        chosen: TuneSettings = context.settings or TuneSettings()
        grammar = self._grammar = context.grammar
        self._seed = context.seed
        self._memory = Memory(chosen.memory)
        templates = fitting_formulas(chosen.formulas, grammar) or list(context.seeds)
        if not templates:
            raise SearchError(
                "tune needs a formula whose windows are to be tuned, but got none; give seeds, or "
                'option formulas, for instance "ts_corr(close, volume, 10)"'
            )
        tunable = [(t, knobs) for t in templates if (knobs := tuple(_knobs(grammar, t)))]
        if not tunable:
            raise SearchError(
                "tune changes windows and literals, but "
                f"{'; '.join(map(str, templates))} has none; name another formula"
            )
        self._templates = [template for template, _ in tunable]
        self._knobs = [knobs for _, knobs in tunable]
        for turn in range(len(tunable)):
            self._require_fitting(turn)
        # Of each formula, how many of its settings were gone through one by one.
        self._passed = [0] * len(self._templates)
        self._asked = 0
        self._pending: list[tuple[int, tuple[int, ...]]] = []
        self._told: list[tuple[int, tuple[int, ...], float]] = []

    def ask(self, n: int) -> list[Candidate]:
        studies = [self._study(turn) for turn in range(len(self._templates))]
        candidates: list[Candidate] = []
        while len(candidates) < n and not self.exhausted:
            turn = self._asked % len(self._templates)
            found = self._new(turn, studies[turn])
            self._asked += 1
            if found is not None:
                places, formula = found
                self._pending.append((turn, places))
                candidates.append(Candidate(formula, "tune", (self._templates[turn].digest,)))
            elif self._left(turn):
                break
        return candidates

    @property
    def exhausted(self) -> str:
        """Why nothing is left to propose; empty as long as some setting was not tried."""
        if any(self._left(turn) for turn in range(len(self._templates))):
            return ""
        return f"all {sum(self._passed):,} settings of its windows and literals were gone through"

    def _left(self, turn: int) -> int:
        """Settings of a formula that were not gone through one by one."""
        return math.prod(map(len, self._knobs[turn])) - self._passed[turn]

    def _new(self, turn: int, study: Any) -> tuple[tuple[int, ...], Node] | None:
        """A setting that was not proposed yet; None if none is found."""
        if not self._left(turn):
            return None
        knobs = self._knobs[turn]
        rng = np.random.default_rng([self._seed, self._asked])
        for attempt in range(2 * _ATTEMPTS):
            if attempt < _ATTEMPTS:
                trial = study.ask(_distributions(knobs))
                places = tuple(int(trial.params[str(i)]) for i in range(len(knobs)))
            else:
                # The estimator insists on what it has tried: chance looks elsewhere.
                places = tuple(int(rng.integers(len(values))) for values in knobs)
            formula = self._formula(turn, places)
            if self._grammar.problem(formula) is None and self._memory.add(formula):
                return places, formula
        return self._next(turn)

    def _next(self, turn: int) -> tuple[tuple[int, ...], Node] | None:
        """The next setting in order that was not proposed yet; None if none is found."""
        start = self._passed[turn]
        for places in itertools.islice(self._every(turn), start, start + _AT_MOST):
            self._passed[turn] += 1
            formula = self._formula(turn, places)
            if self._grammar.problem(formula) is None and self._memory.add(formula):
                return places, formula
        return None

    def _require_fitting(self, turn: int) -> None:
        """Refuse a formula of which none of the first settings is inside the grammar.

        Raises
        ------
        SearchError
        """
        formulas = (
            self._formula(turn, places) for places in itertools.islice(self._every(turn), _AT_MOST)
        )
        problems = map(self._grammar.problem, formulas)
        first = next(problems)
        if first is not None and None not in problems:
            raise SearchError(
                f"no window of the grammar makes {self._templates[turn]} a formula of it: "
                f"{first}; change that setting of the grammar, or name another formula"
            )

    def _every(self, turn: int) -> Iterator[tuple[int, ...]]:
        """Settings of a formula in order, the shortest windows first."""
        return itertools.product(*(range(len(values)) for values in self._knobs[turn]))

    def _formula(self, turn: int, places: Sequence[int]) -> Node:
        values = [knob[i] for knob, i in zip(self._knobs[turn], places, strict=True)]
        return canonicalise(_with_values(self._templates[turn], iter(values)))

    def _study(self, turn: int) -> Any:
        """What was told of a formula, as a study that goes on from there."""
        [seed] = np.random.SeedSequence([self._seed, self._asked, turn]).generate_state(1)
        study = parzen_study(int(seed), _NEED)
        from optuna.trial import create_trial

        distributions = _distributions(self._knobs[turn])
        for other, places, value in self._told:
            if other == turn:
                study.add_trial(
                    create_trial(
                        params={str(i): place for i, place in enumerate(places)},
                        distributions=distributions,
                        value=value,
                    )
                )
        return study

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        for (turn, places), result in zip(self._pending, results, strict=True):
            # A setting that cannot be judged is worth nothing.
            value = result.fitness if math.isfinite(result.fitness) else 0.0
            self._told.append((turn, places, value))
        self._pending = []

    def state_dict(self) -> dict[str, Any]:
        return {
            "seed": self._seed,
            "asked": self._asked,
            "memory": self._memory.state(),
            "passed": list(self._passed),
            "pending": [[turn, list(places)] for turn, places in self._pending],
            "told": [[turn, list(places), value] for turn, places, value in self._told],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._seed, self._asked = state["seed"], state["asked"]
        self._memory.load(state["memory"])
        self._passed = list(state["passed"])
        self._pending = [(turn, tuple(places)) for turn, places in state["pending"]]
        self._told = [(turn, tuple(places), value) for turn, places, value in state["told"]]


def _distributions(knobs: Sequence[Values]) -> dict[str, Any]:
    """Places in the sorted values of each knob, so that neighbours are near each other."""
    from optuna.distributions import IntDistribution

    return {str(i): IntDistribution(0, len(values) - 1) for i, values in enumerate(knobs)}


def _knobs(grammar: Grammar, node: Node) -> Iterator[Values]:
    """Values that each window and literal may take, inputs first."""
    for child in node.inputs:
        yield from _knobs(grammar, child)
    if isinstance(node, Constant):
        yield grammar.constants or (node.value,)
    elif isinstance(node, Call) and node.operator.window is not None:
        yield tuple(sorted(grammar.windows_of(node.operator)))


def _with_values(node: Node, values: Iterator[int | float]) -> Node:
    """The formula with values in the places of `_knobs`, in that order."""
    if isinstance(node, Constant):
        return constant(next(values))
    if not isinstance(node, Call):
        return node
    inputs = [_with_values(child, values) for child in node.inputs]
    place = node.operator.window
    if place is None:
        return with_inputs(node, inputs)
    params = (*node.params[:place], int(next(values)), *node.params[place + 1 :])
    return call(node.operator, *inputs, *params)
