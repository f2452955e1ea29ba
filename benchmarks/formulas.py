"""Random formulas and a population of mutants, as nested lists that every worker understands.

The mix is that of a search for alphas: six fields, windows of 5 to 50 days, about five operators
each.
"""

from __future__ import annotations

import random
from typing import Any, TypeAlias

Formula: TypeAlias = str | float | list[Any]

FIELDS = ("open", "high", "low", "close", "volume", "vwap")
WINDOWS = (5, 10, 20, 30, 40, 50)
UNARY = ("abs", "log")
BINARY = ("add", "subtract", "multiply", "divide", "max", "min")
ROLLING = (
    "ts_delay",
    "ts_delta",
    "ts_mean",
    "ts_std_dev",
    "ts_max",
    "ts_min",
    "ts_percentage",
    "ts_decay_linear",
    "ts_decay_exp_window",
    "ts_rank",
)
PAIRS = ("ts_covariance", "ts_corr")


def random_formula(rng: random.Random, depth: int = 5, root: bool = True) -> Formula:
    """A formula of at most `depth` levels."""
    if depth == 1 or (not root and rng.random() < 0.3):
        return rng.choice(FIELDS)
    kind = rng.choices(("unary", "binary", "rolling", "pair"), (1, 4, 5, 1.5))[0]

    def child() -> Formula:
        return random_formula(rng, depth - 1, root=False)

    if kind == "unary":
        return [rng.choice(UNARY), child()]
    if kind == "binary":
        other: Formula = rng.choice((0.01, 0.5, 1.0, 2.0)) if rng.random() < 0.15 else child()
        return [rng.choice(BINARY), child(), other]
    if kind == "pair":
        return [rng.choice(PAIRS), child(), child(), rng.choice(WINDOWS)]
    name = rng.choice(ROLLING)
    more = {"ts_percentage": [0.8], "ts_decay_exp_window": [0.9]}.get(name, [])
    return [name, child(), rng.choice(WINDOWS), *more]


def random_formulas(count: int, seed: int = 1) -> list[Formula]:
    """Distinct formulas."""
    rng = random.Random(seed)
    found: dict[str, Formula] = {}
    while len(found) < count:
        formula = random_formula(rng)
        if isinstance(formula, list):
            found.setdefault(str(formula), formula)
    return list(found.values())


def mutated(formula: Formula, rng: random.Random) -> Formula:
    """A copy with one sub-formula replaced, or one window changed."""
    if not isinstance(formula, list) or rng.random() < 0.25:
        return random_formula(rng, depth=3)
    copy = list(formula)
    places = [i for i, part in enumerate(copy) if i > 0 and not isinstance(part, float)]
    place = rng.choice(places)
    if isinstance(copy[place], int):
        copy[place] = rng.choice(WINDOWS)
    else:
        copy[place] = mutated(copy[place], rng)
    return copy


def population(count: int, seeds: int = 100, seed: int = 2) -> list[Formula]:
    """`seeds` random formulas and mutants of them, as one generation of a genetic search has."""
    rng = random.Random(seed)
    parents = random_formulas(seeds, seed)
    found = {str(f): f for f in parents}
    while len(found) < count:
        child = mutated(rng.choice(parents), rng)
        if isinstance(child, list):
            found.setdefault(str(child), child)
    return list(found.values())
