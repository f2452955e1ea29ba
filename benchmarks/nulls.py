"""How often a search with nothing to find calls something real, and how much it takes to be found.

`python -m benchmarks.nulls` searches 200 markets whose returns nothing forecasts, judges series
that are made of luck or of luck and a known mean, and writes `nulls.json` and the tables of
`README.md`. About half an hour on one core; what was cut short goes on where it stood.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

import alphamine as am
from alphamine.data.labels import LabelSpec
from alphamine.data.splits import Splits
from alphamine.data.synthetic.market import simulate
from alphamine.data.synthetic.settings import MarketSettings
from alphamine.evaluation.trust.inference import cosine_count, cosine_weights
from alphamine.evaluation.trust.verdict import (
    PERIODS,
    SURVIVES_LUCK,
    SURVIVES_T,
    Trust,
    judge_trust,
)

from .tables import write_readme

HERE = Path(__file__).parent
RESULTS = HERE / "nulls.json"
Found = dict[str, list[dict[str, Any]]]
DAYS, NAMES, TRAIN = 650, 40, 500
# Searcher, horizon of the label, islands.
ROWS = (
    ("random", 5, 1),
    ("random", 20, 1),
    ("genetic", 5, 1),
    ("genetic", 20, 1),
    ("random", 5, 4),
    ("genetic", 5, 4),
    ("local", 5, 4),
    ("local", 20, 4),
)
SEARCHES, BUDGET = 25, 500
# Days and horizon of series without a search, and of those with a known mean.
SERIES = tuple(product((250, 500, 900), (1, 5, 20)))
POWER = ((250, 20), (500, 20), (500, 5), (1200, 5), (2400, 1))
RUNS, TRIALS = 2000, 10_000
# Of a run's series, by t: those after them are not as unlikely as the verdict asks for.
LOOKED_AT = 20
STRENGTHS, COUNTS, DRAWS = (3, 4, 5, 6, 7, 8, 10), (1, 100, 10_000), 1000


def market(seed: int, horizon: int) -> am.Panel:
    """A synthetic market without planted formulas: nothing known today moves later returns."""
    settings = MarketSettings(days=DAYS, symbols=NAMES, sectors=5, seed=seed)
    made = simulate(settings)
    gap = horizon + 1
    return am.Panel.from_arrays(
        np.busday_offset(settings.start, np.arange(DAYS), roll="forward"),
        [f"N{i:02d}" for i in range(NAMES)],
        made.columns,
        made.shocks.listed,
        {"sector": np.tile(made.shocks.sector, (DAYS, 1))},
        label_spec=LabelSpec(horizon=horizon),
        name=f"nothing {seed}",
        splits=Splits((0, TRAIN), (TRAIN + gap, DAYS - gap), None, gap=gap),
    )


def search_nothing(
    searcher: str, horizon: int, islands: int, seed: int, budget: int
) -> dict[str, Any]:
    """One complete search of such a market, and what its report would claim."""
    with tempfile.TemporaryDirectory() as folder:
        run = am.search(
            market(seed, horizon),
            searcher,
            budget,
            seed,
            Path(folder) / "run",
            batch=128,
            islands=islands,
            progress=False,
        )
        members, survivors = run.pool.rows(), run.survivors
        return {
            "survive": len(survivors),
            "confirmed": sum("confirmed" in m["verdict"].split() for m in survivors),
            "weak": sum(m["verdict"].startswith("weak") for m in members),
            "members": len(members),
            "family_p": min((m["family_p"] for m in members), default=1.0),
            "trials": run.trials,
            "best_t": max((abs(m["t"]) for m in members), default=0.0),
        }


def searches(found: Found, count: int, budget: int) -> Iterator[Found]:
    """`count` searches of each row, in turn, less those that are `found`."""
    for i, (place, (searcher, horizon, islands)) in product(range(count), enumerate(ROWS)):
        name = f"{searcher} {horizon} {islands}"
        runs = found.setdefault(name, [])
        if i < len(runs):
            continue
        # A market of its own for every search.
        runs.append(search_nothing(searcher, horizon, islands, 1000 * place + i, budget))
        real = sum(run["survive"] > 0 for run in runs)
        print(f"  {name}: {i + 1} searches, {real} with a survivor", flush=True)
        yield found


def overlapping(
    rng: np.random.Generator, days: int, horizon: int, count: int, t: float = 0.0
) -> np.ndarray:
    """Daily ICs of constant factors under labels of `horizon` rows, (days, count).

    Moving sums of noise, and a mean that gives the t-value `t` where the long-run variance is
    known: it is horizon^2.
    """
    noise = rng.standard_normal((days + horizon - 1, count))
    sums = np.cumsum(np.vstack([np.zeros((1, count)), noise]), axis=0)
    return np.asarray(sums[horizon:] - sums[:-horizon] + t * horizon / math.sqrt(days))


class Series(NamedTuple):
    """What a verdict reads of useless series, drawn without the series.

    All of it is linear in the series, and a moving sum of normal numbers is normal: the joint
    covariance says everything.

    Attributes
    ----------
    days, degrees : int
    root : (4 + degrees, 4 + degrees) float64
        Of the covariance of the sums of the quarters and of the cosines' weights.
    """

    days: int
    degrees: int
    root: np.ndarray

    @classmethod
    def of(cls, days: int, horizon: int) -> Series:
        each = np.eye(days)
        quarters = np.add.reduceat(each, [days * i // PERIODS for i in range(PERIODS)])
        weights = cosine_weights(each, horizon)
        linear = np.vstack([quarters, weights[(weights != 0.0).any(axis=1)]])
        noise = np.zeros((len(linear), days + horizon - 1))
        for row in range(horizon):
            noise[:, row : row + days] += linear
        degrees = cosine_count(days, horizon)
        return cls(days, degrees, np.linalg.cholesky(noise @ noise.T))

    def draw(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """t-values of so many series, (count,), and the sums of their quarters, (count, 4)."""
        drawn = rng.standard_normal((count, len(self.root))) @ self.root.T
        quarters, weights = drawn[:, :PERIODS], drawn[:, PERIODS:]
        error = np.sqrt(np.square(weights).sum(axis=1) / (self.degrees * self.days))
        return quarters.sum(axis=1) / self.days / error, quarters

    def claimed(self, rng: np.random.Generator, level: float, draws: int = 2_000_000) -> float:
        """Probability that the test at a level, two-sided, rejects a useless series.

        The weights are drawn, and the rest is computed: given them, the mean is normal. So the
        smallest level has its digits.
        """
        covariance = self.root @ self.root.T
        mean = np.zeros(len(covariance))
        mean[:PERIODS] = 1.0 / self.days
        own, shared = covariance[PERIODS:, PERIODS:], covariance[PERIODS:] @ mean
        slopes = np.linalg.solve(own, shared)
        spread = math.sqrt(mean @ covariance @ mean - shared @ slopes)
        root, bound = np.linalg.cholesky(own), student.isf(level / 2.0, self.degrees)
        total, part = 0.0, 20_000
        for _ in range(draws // part):
            weights = rng.standard_normal((part, len(own))) @ root.T
            limit = bound * np.sqrt(np.square(weights).sum(axis=1) / (self.degrees * self.days))
            middle = weights @ slopes
            outside = norm.sf((limit - middle) / spread) + norm.sf((limit + middle) / spread)
            total += float(outside.sum())
        return total / draws


def lucky(days: int, horizon: int, runs: int, trials: int) -> dict[str, Any]:
    """Useless series: how many are real at 5 % alone, and in how many runs the best of many is.

    And the same computed: `single` and `family`.
    """
    rng, series = np.random.default_rng([days, horizon, 2]), Series.of(days, horizon)
    alone = np.abs(series.draw(rng, runs)[0]) > student.isf(0.025, series.degrees)
    best = survivors = 0
    for _ in range(runs):
        t, quarters = series.draw(rng, trials)
        # Nothing below the verdict's hurdle for t can survive.
        strong = np.flatnonzero(np.abs(t) > SURVIVES_T)
        blank = Trust(0.0, series.degrees, days / horizon, trials, 0.0, 1.0, False, ())
        strong = strong[np.argsort(-np.abs(t[strong]))][:LOOKED_AT]
        signs = np.sign(quarters[strong] * t[strong, None]).astype(int).tolist()
        found = [
            replace(blank, t=float(own), period_signs=tuple(row))
            for own, row in zip(t[strong], signs, strict=True)
        ]
        best += bool(found) and found[0].luck <= SURVIVES_LUCK
        survivors += any(trust.word.startswith("survives") for trust in found)
    level = -math.expm1(math.log1p(-SURVIVES_LUCK) / trials)
    result = {
        "alone": int(alone.sum()),
        "best": best,
        "claims": survivors,
        "runs": runs,
        "degrees": series.degrees,
        "trials": trials,
        "single": series.claimed(rng, 0.05),
        "family": -math.expm1(trials * math.log1p(-series.claimed(rng, level))),
    }
    print(f"  {days} days, horizon {horizon}: {result}", flush=True)
    return result


def power(draws: int) -> dict[str, dict[str, dict[str, float]]]:
    """Share of factors of a known t-value that survive so many trials."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for days, horizon in POWER:
        rng = np.random.default_rng([days, horizon, 1])
        table: dict[str, dict[str, float]] = {str(count): {} for count in COUNTS}
        for t in STRENGTHS:
            series = overlapping(rng, days, horizon, draws, t).T.copy()
            for count in COUNTS:
                words = [judge_trust(x, horizon, count).word for x in series]
                survived = sum(word.startswith("survives") for word in words)
                table[str(count)][str(t)] = survived / draws
        found[f"{days} {horizon}"] = table
        print(f"  {days} days, horizon {horizon}: {table}", flush=True)
    return found


def main() -> None:
    """Measure what `nulls.json` lacks; write it and the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nulls", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few runs, nothing written")
    quick = parser.parse_args().quick
    known = not quick and RESULTS.exists()
    results: dict[str, Any] = json.loads(RESULTS.read_text("utf-8")) if known else {}
    series = results.setdefault("lucky", {})
    for days, horizon in SERIES:
        if f"{days} {horizon}" not in series:
            size = (20, 500) if quick else (RUNS, TRIALS)
            series[f"{days} {horizon}"] = lucky(days, horizon, *size)
            if not quick:
                RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    if "power" not in results:
        results["power"] = power(50 if quick else DRAWS)
    found = results.setdefault("searches", {})
    for _ in searches(found, 1, 200) if quick else searches(found, SEARCHES, BUDGET):
        if not quick:
            RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    if not quick:
        write_readme({"nulls": results}, HERE / "README.md")


if __name__ == "__main__":
    main()
