"""The null landscape: how large the ICs of random formulas are on one dataset, label and split.

A rank IC of .02 is luck on forty names and a discovery on two thousand. Beside it stands its
percentile among the absolute rank ICs of random formulas of the panel's own grammar, which nobody
chose: they are computed once, kept in the panel cache, and no trials of anything.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.data.dataset.cache import digest, read_json
from alphamine.data.dataset.cache_write import write_json
from alphamine.data.paths import cache_folder
from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Node
from alphamine.version import __version__

from .summary import Summary

FloatArray = npt.NDArray[np.float64]

FORMULAS: Final = 500
_SEED: Final = 500
_TOGETHER: Final = 50
# Draws after which a grammar has no more formulas that can be scored.
_DRAWS: Final = 20 * FORMULAS
# Silent on more of the universe, or without a rank IC on more of the days, a formula is none that a
# search would keep either: the mean of a handful of days would be the largest of them all.
_COVERAGE: Final = 0.5
_DAYS: Final = 0.5
# Cells of a panel on which all formulas take a few seconds: nobody is kept waiting longer unasked.
_QUICK_CELLS: Final = 1_000_000


@dataclass(frozen=True, eq=False, slots=True)
class NullLandscape:
    """Absolute mean rank ICs of random formulas, in ascending order; (formulas,) float64."""

    rank_ic: FloatArray

    def percentile(self, rank_ic: float) -> float:
        """Share of random formulas with a smaller absolute rank IC; ties count half.

        NaN without a rank IC, or without formulas.
        """
        count = len(self.rank_ic)
        if np.isnan(rank_ic) or not count:
            return float("nan")
        low, high = (
            int(self.rank_ic.searchsorted(abs(rank_ic), side)) for side in ("left", "right")
        )
        return (low + high + 1) / (2 * count + 2)

    def best_of(self, counts: Sequence[int]) -> list[float]:
        """Expected largest absolute rank IC among n random formulas, for each n.

        Exact for n of these formulas, drawn without replacement: the i-th smallest of M is the
        largest of n with a chance of C(i - 1, n - 1) / C(M, n). NaN beyond M, where nothing was
        measured.
        """
        total = len(self.rank_ic)
        # Logarithms of factorials: C(500, 250) has 150 digits.
        logs = np.array([math.lgamma(i + 1) for i in range(total + 1)])

        def expected(n: int) -> float:
            if not 1 <= n <= total:
                return float("nan")
            below = np.arange(n - 1, total)  # i - 1, of those that can be the largest
            chances = logs[below] - logs[n - 1] - logs[below - n + 1]
            chances -= logs[total] - logs[n] - logs[total - n]
            return float(np.exp(chances) @ self.rank_ic[n - 1 :])

        return [expected(n) for n in counts]


def landscape_of(sample: Sample) -> NullLandscape:
    """The null landscape of a sample: the one that is kept, or computed and kept now."""
    identity = _identity(sample)
    known = kept_landscape(identity)
    if known is not None:
        return known
    found = NullLandscape(np.sort(_rank_ics(sample)))
    folder = cache_folder()
    if folder is not None and identity["dataset"]:
        try:
            write_json(folder / "landscapes" / f"{digest(identity)}.json", found.rank_ic.tolist())
        except OSError as error:
            warnings.warn(f"a null landscape could not be kept: {error}", stacklevel=2)
    return found


def landscape_if_quick(sample: Sample) -> NullLandscape | None:
    """The one that is kept, or computed now if that takes a few seconds at most."""
    rows, names = sample.panel.shape
    if rows * names <= _QUICK_CELLS:
        return landscape_of(sample)
    return kept_landscape(_identity(sample))


def kept_landscape(identity: Mapping[str, Any]) -> NullLandscape | None:
    """The one that is kept of a dataset, label and split (see `identity_of`)."""
    folder = cache_folder()
    if folder is None or not identity["dataset"]:
        return None
    found = read_json(folder / "landscapes" / f"{digest(identity)}.json")
    return None if found is None else NullLandscape(np.array(found, dtype=np.float64))


def identity_of(
    dataset: str,
    fields: Iterable[str],
    label: Mapping[str, Any],
    days: tuple[str, str],
    min_names: int,
) -> dict[str, Any]:
    """What a null landscape depends on, as JSON values."""
    return {
        "dataset": dataset,
        "fields": sorted(fields),
        "label": dict(label),
        "days": list(days),
        "min_names": min_names,
        "formulas": FORMULAS,
        "kept": [_COVERAGE, _DAYS],
        "version": __version__,
    }


def _identity(sample: Sample) -> dict[str, Any]:
    panel = sample.panel
    dates = panel.dates[sample.rows]
    days = (str(dates[0]), str(dates[-1]))
    return identity_of(
        panel.dataset, panel.schema, panel.label_spec.to_dict(), days, panel.min_names
    )


def _rank_ics(sample: Sample) -> FloatArray:
    """Absolute rank ICs of the first random formulas that can be scored."""
    evaluator = Evaluator(sample.panel)
    drawn, found = _draws(sample), list[float]()
    while len(found) < FORMULAS and (batch := list(islice(drawn, _TOGETHER))):
        scores = dict(evaluator.scores(batch, sample, turnover=False, counted=False))
        numbers = [Summary.of(scores[i]) for i in range(len(batch))]
        least = _DAYS * len(sample.label)
        found += [
            abs(n.rank_ic)
            for n in numbers
            if n.coverage >= _COVERAGE and n.days >= least and not np.isnan(n.rank_ic)
        ]
    return np.array(found[:FORMULAS])


def _draws(sample: Sample) -> Iterator[Node]:
    """Distinct formulas of the panel's grammar; the same ones every time."""
    grammar = Grammar.for_panel(
        sample.panel.schema, max_lookback=min(120, sample.panel.shape[0] // 2)
    )
    rng, seen = np.random.default_rng(_SEED), set[str]()
    for _ in range(_DRAWS):
        formula = grammar.sample(rng)
        if formula.digest not in seen:
            seen.add(formula.digest)
            yield formula
