"""The pool of a search: formulas that forecast better together than any of them alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.data.splits import Sample
from alphamine.engine.cells import Cells, Series, Vector
from alphamine.errors import SearchError
from alphamine.evaluation.trust.inference import cosine_long_run_variance, too_little
from alphamine.expression.canonical import oriented
from alphamine.expression.nodes import Node
from alphamine.expression.text.parser import reread

from .gain import Candidates, Form, Gains, marginal_gains, penalised
from .gram import Gram
from .model import PoolModel
from .objective import Measure, Objective
from .sketch import Sketch
from .weights import fit_weights

Values = npt.NDArray[np.floating]
FloatArray = npt.NDArray[np.float64]

# Of the weights of `lcb`, which depend on their own outcome.
_ROUNDS: Final = 30


@dataclass(frozen=True, slots=True)
class Member:
    """A formula of the pool.

    Attributes
    ----------
    formula : Node
    sign : int
        +1 or -1: its orientation, decided by the train split and never changed.
    fitness : float
        |mean rank IC| on train.
    weight : float
        Of its standardised values, as the formula stands, in the combined signal.
    """

    formula: Node
    sign: int
    fitness: float
    weight: float

    @property
    def oriented(self) -> Node:
        """The formula with its sign: what forecasts a return of its own sign on train."""
        return oriented(self.formula, self.sign)


@dataclass(frozen=True, slots=True)
class Entry:
    """A member, its values, and the penalty that it was admitted at."""

    formula: Node
    sign: int
    fitness: float
    vector: Vector
    penalty: float = 0.0


@dataclass(frozen=True, slots=True)
class Fit:
    """The weights of the members, and what they reach."""

    form: Form
    weights: FloatArray
    score: float


@dataclass(frozen=True, slots=True)
class _Terms:
    """One column of `Candidates`."""

    label: float
    cross: FloatArray
    own: float
    correlated: npt.NDArray[np.bool_]
    raw_penalty: float


class Pool:
    """Formulas whose weighted sum has the best objective that was found, less what they cost.

    Members are compared by their daily ranks among the names that have a label, standardised,
    missing values counting as average. The weights are those that are best on train. A candidate is
    admitted if the penalised objective of the pool grows with it; members that resemble it (a mean
    daily correlation above `max_correlation` in absolute value) then leave, and of a full pool the
    member that is missed least. So the pool never gets worse, and every decision follows, bit for
    bit, from the sequence of offers.

    What a formula seems to add is partly luck, the more so the more formulas like it there are.
    Hence a penalty: what a formula of n tokens adds has to exceed `n * token_price` times the
    squared standard error of its own part, which allows for overlapping labels and slow factors. Of
    ten tokens it has to be 2.2 standard errors at 0.5. As a description length (Rissanen 1978) a
    token would be worth twice the logarithm of the choices that it is one of, about 5.

    Parameters
    ----------
    train : Sample
    capacity : int
    max_correlation : float
    objective : {"ic", "icir", "lcb"}
        Of the daily ICs of the weighted members: the mean, the mean by the standard deviation, or
        the mean less `beta` standard deviations.
    beta : float
    l1, ridge : float
        Penalties of the weights. The ridge is a share of the diagonal of the quadratic form.
    series : {"rank", "value"}
        Whether daily ranks or daily z-scores are compared and combined.
    token_price : float
        0 takes what formulas seem to add at face value.
    """

    _labelled = True  # whether only cells that have a label count

    def __init__(
        self,
        train: Sample,
        capacity: int = 20,
        max_correlation: float = 0.7,
        *,
        objective: Measure = "ic",
        beta: float = 1.0,
        l1: float = 0.0,
        ridge: float = 0.1,
        series: Series = "rank",
        token_price: float = 0.5,
    ) -> None:
        if capacity < 1:
            raise SearchError(f"a pool holds at least 1 formula, but its capacity is {capacity}")
        if not 0.0 < max_correlation <= 1.0:
            raise SearchError(
                f"a pool's largest mutual correlation is in (0, 1], but got {max_correlation}"
            )
        if not (0.0 <= l1 < math.inf and 0.0 < ridge < math.inf):
            raise SearchError(
                f"a pool's l1 is 0 or more and its ridge above 0, but got l1={l1}, ridge={ridge}"
            )
        if not 0.0 <= token_price < math.inf:
            raise SearchError(
                f"the penalty of a token in a pool is 0 or more, but got {token_price}"
            )
        self.capacity = capacity
        self.max_correlation = max_correlation
        self.objective = Objective(objective, beta)
        self.token_price = token_price
        self._l1, self._ridge = l1, ridge
        self._horizon = train.panel.label_spec.horizon
        self._schema = train.panel.schema
        self.cells = Cells(train, series, self._labelled)
        self.sketch = Sketch(self.cells)
        self._entries: list[Entry] = []
        self._gram = self._empty_gram()
        self._fit = self._fitted(self._gram)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def members(self) -> tuple[Member, ...]:
        """The best first, by their own fitness; of equal ones the older."""
        found = [
            Member(entry.formula, entry.sign, entry.fitness, float(weight))
            for entry, weight in zip(self._entries, self._fit.weights, strict=True)
        ]
        return tuple(sorted(found, key=lambda member: -member.fitness))

    @property
    def digests(self) -> list[str]:
        """Of the members' formulas, in the order of their admission."""
        return [entry.formula.digest for entry in self._entries]

    @property
    def weighted(self) -> list[tuple[Entry, float]]:
        """The members with their values and weights, in the order of their admission."""
        return [(e, float(w)) for e, w in zip(self._entries, self._fit.weights, strict=True)]

    @property
    def series(self) -> Series:
        """What of the members is standardised and combined."""
        return self.cells.series

    @property
    def score(self) -> float:
        """The objective of the weighted members on train; of an empty pool 0, or -inf for `lcb`."""
        return self._fit.score

    @property
    def penalised_objective(self) -> float:
        """The objective less the penalties of the members: what offers make grow."""
        return self._penalised(self._fit, self._entries)

    def model(self) -> PoolModel:
        """What searchers may see: the pool as it is now."""
        fitness = np.array([entry.fitness for entry in self._entries])
        order = np.argsort(-fitness, kind="stable")
        entries = [self._entries[k] for k in order]
        images = [self.sketch(entry.vector) for entry in entries]
        daily = self._gram.daily_ics[order]
        return PoolModel(
            formulas=tuple(entry.formula for entry in entries),
            max_correlation=self.max_correlation,
            full=len(self) == self.capacity,
            token_price=self.token_price,
            measure=self.objective.measure,
            form=self._fit.form.ordered(order),
            penalties=self._penalties(entries),
            sketches=np.array(images, dtype=np.float32).reshape(-1, self.sketch.size),
            daily_ics=daily if self.objective.of_daily_ics else daily[:, :0],
        )

    def ic_series(self, weights: Mapping[Node, float] | None = None) -> FloatArray:
        """Daily IC on train of the members with other weights, or with their own; (days,)."""
        chosen = self._fit.weights
        if weights is not None:
            chosen = np.array([weights.get(entry.formula, 0.0) for entry in self._entries])
        return self._gram.ic_series(chosen)

    def correlation(self, a: Node, b: Node) -> float:
        """Mean daily correlation of two members on train, as their formulas stand."""
        i, j = self._index(a), self._index(b)
        return 1.0 if i == j else float(self._gram.matrix[i, j])

    def wants(self, fitness: float) -> bool:
        """Whether a formula of this fitness could be admitted; if not, nothing need be offered."""
        return math.isfinite(fitness)

    def vector(self, values: Values) -> Vector:
        """What the pool needs of a formula's values, (T, N) on the rows of the train panel."""
        return self.cells.vector(values)

    def daily_ics(self, vector: Vector) -> FloatArray:
        """Of a formula on the days that count, (days,); missing values count as average."""
        [daily] = self.cells.products(vector, [self.cells.label])
        return self._gram.counted(daily)

    def gains(
        self, vectors: Sequence[Vector], lengths: Sequence[int] | None = None, refit: bool = True
    ) -> FloatArray:
        """By how much each of some formulas would improve the pool, in closed form.

        The gain treats days as alike (it is that of the quadratic form of `Objective`) and counts
        what would have to leave. It does not depend on what else is asked for.

        Parameters
        ----------
        vectors : sequence of Vector
        lengths : sequence of int, optional
            Tokens of each formula; without, candidates cost nothing.
        refit : bool
            False: the members keep their weights, and only the candidate's is chosen.

        Returns
        -------
        (n,) float64
            Negative where the pool is better without.
        """
        tokens = lengths or [0] * len(vectors)
        described = [self._described(v, n)[1] for v, n in zip(vectors, tokens, strict=True)]
        return self._gains(described, refit).gain

    def offer(self, formula: Node, sign: int, fitness: float, vector: Vector) -> float:
        """Admit a formula if the pool is better with it.

        Parameters
        ----------
        formula : Node
        sign, fitness
            As in `Member`.
        vector : Vector
            Of the formula, on the pool's cells.

        Returns
        -------
        float
            By how much the penalised objective grew, 0 if the formula was not admitted.
        """
        if not self.wants(fitness):
            return 0.0
        daily, terms = self._described(vector, formula.length)
        gains = self._gains([terms])
        if not gains.gain[0] > 0.0:
            return 0.0
        [evicted] = gains.evicted
        gram = self._gram.with_member(daily[0], daily[1:], vector.size).without(evicted)
        fit = self._fitted(gram)
        entries = [entry for k, entry in enumerate(self._entries) if k not in evicted]
        entries.append(Entry(formula, sign, fitness, vector, float(gains.penalty[0])))
        gain = self._penalised(fit, entries) - self.penalised_objective
        if not gain > 0.0:
            return 0.0
        if math.isinf(gain):  # nothing has no lower confidence bound
            gain = float(gains.gain[0])
        self._entries, self._gram, self._fit = entries, gram, fit
        return gain

    def state_dict(self) -> dict[str, Any]:
        """Members as JSON-compatible values; what follows from them is computed on loading."""
        return {
            "members": [
                {
                    "formula": str(e.formula),
                    "sign": e.sign,
                    "fitness": e.fitness,
                    "penalty": e.penalty,
                }
                for e in self._entries
            ]
        }

    def load_state_dict(
        self, state: Mapping[str, Any], evaluate: Callable[[Sequence[Node]], Iterable[Vector]]
    ) -> None:
        """Restore what `state_dict` returned.

        Parameters
        ----------
        state : mapping
        evaluate : callable
            Vectors of formulas on the pool's cells.
        """
        formulas = [reread(item["formula"], self._schema) for item in state["members"]]
        entries: list[Entry] = []
        gram = self._empty_gram()
        for formula, item, vector in zip(
            formulas, state["members"], evaluate(formulas), strict=True
        ):
            entry = Entry(formula, item["sign"], item["fitness"], vector, item["penalty"])
            daily = self._daily(entry.vector, entries)
            gram = gram.with_member(daily[0], daily[1:], entry.vector.size)
            entries.append(entry)
        self._entries, self._gram, self._fit = entries, gram, self._fitted(gram)

    def _index(self, formula: Node) -> int:
        return [entry.formula for entry in self._entries].index(formula)

    def _empty_gram(self) -> Gram:
        return Gram(self.cells.label.scale > 0.0, self.cells.projection is not None)

    def _fitted(self, gram: Gram) -> Fit:
        """The best weights of some members: a function of these alone."""
        shares = (1.0, 0.0) if self.objective.measure != "icir" else (0.0, 1.0)
        for _ in range(_ROUNDS):
            form = Form.of(gram, shares, self._ridge)
            weights = fit_weights(form.matrix, gram.label, self._l1) if self._l1 else form.weights
            weights = weights / gram.norms
            series = gram.ic_series(weights)
            before, shares = shares, self.objective.shares(series)
            if shares == before:
                break
        return Fit(form, weights, self.objective(series))

    def _penalised(self, fit: Fit, entries: Sequence[Entry]) -> float:
        measure = self.objective.measure
        quality = 2.0 * fit.score if measure == "lcb" else fit.score * abs(fit.score)
        return float(penalised(quality, self._penalties(entries).sum(), measure))

    def _penalties(self, entries: Sequence[Entry]) -> FloatArray:
        return np.array([entry.penalty for entry in entries], dtype=np.float64)

    def _daily(self, vector: Vector, entries: Sequence[Entry]) -> FloatArray:
        """Daily correlations with the label and with members, (1 + K, days)."""
        return self.cells.products(vector, [self.cells.label, *[e.vector for e in entries]])

    def _described(self, vector: Vector, length: int) -> tuple[FloatArray, _Terms]:
        """The daily correlations of a candidate of so many tokens, and what they mean."""
        daily = self._daily(vector, self._entries)
        means = self._gram.mean(daily)
        mean, spread = self._fit.form.shares
        terms = np.append(means[1:], self._gram.mean(vector.size > 0.0)) * mean
        if spread:
            terms = terms + self._gram.covariances(daily[0]) * spread
        correlated = ~(np.abs(means[1:]) <= self.max_correlation)
        own = float(terms[-1]) * (1.0 + self._ridge)
        raw_penalty = (
            self.token_price * length * self._variance(daily) if self.token_price * length else 0.0
        )
        return daily, _Terms(float(means[0]), terms[:-1], own, correlated, raw_penalty)

    def _variance(self, daily: FloatArray) -> float:
        """Of the mean of what the members leave of a candidate's IC; 0 if it cannot be known."""
        form = self._fit.form
        rest = self._gram.rest(daily, form.weights, form.shares)
        if too_little(rest):
            return 0.0
        return float(cosine_long_run_variance(rest[:, None], self._horizon)[0]) / len(rest)

    def _gains(self, described: Sequence[_Terms], refit: bool = True) -> Gains:
        size = (len(self), len(described))
        candidates = Candidates(
            np.array([terms.label for terms in described]),
            np.array([terms.cross for terms in described]).reshape(size[::-1]).T.copy(),
            np.array([terms.own for terms in described]),
            np.array([terms.correlated for terms in described], dtype=bool).reshape(size[::-1]).T,
            np.array([terms.raw_penalty for terms in described]),
        )
        penalties, full = self._penalties(self._entries), len(self) == self.capacity
        measure = self.objective.measure
        return marginal_gains(self._fit.form, penalties, candidates, full, measure, refit)
