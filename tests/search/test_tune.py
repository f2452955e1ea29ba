"""Tuning finds the windows that score, tries nothing else, and stops when all were tried."""

from __future__ import annotations

import json
import sys
from itertools import product
from typing import Any

import pytest

from alphamine.errors import MissingDependency, SearchError
from alphamine.expression.canonical import canonicalise
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Call, Constant, Node
from alphamine.expression.text.parser import parse
from alphamine.libraries import library
from alphamine.pool.model import PoolModel
from alphamine.searchers.base import Evaluation, SearchContext
from alphamine.searchers.tune import TuneSearcher, TuneSettings

FORMULA = "ts_mean(close, 5) / ts_mean(close, 20)"
GRAMMAR = Grammar(windows=(5, 10, 20, 30, 40, 60, 80, 100), max_lookback=250)
BEST = (10, 80)


def windows(formula: Node) -> tuple[int, ...]:
    parts = [part for part in formula.walk() if isinstance(part, Call)]
    return tuple(int(p.params[0]) for p in parts if p.operator.name == "ts_mean")


def score(formula: Node) -> float:
    """Best at one pair of windows, and worse the further away."""
    found = windows(formula)
    return (
        1.0
        - sum(
            abs(GRAMMAR.windows.index(a) - GRAMMAR.windows.index(b))
            for a, b in zip(found, BEST, strict=False)
        )
        / 14
    )


def run(searcher: TuneSearcher, rounds: int, batch: int = 5) -> list[tuple[str, float]]:
    found = []
    for _ in range(rounds):
        candidates = searcher.ask(batch)
        results = [Evaluation(c, {}, score(c.formula)) for c in candidates]
        searcher.tell(results, PoolModel())
        found += [(str(r.candidate.formula), r.fitness) for r in results]
    return found


def tuner(seed: int = 0, formulas: str = FORMULA) -> TuneSearcher:
    return TuneSearcher(SearchContext(GRAMMAR, seed, TuneSettings(formulas)))


def test_it_learns_where_the_good_windows_are() -> None:
    found = run(tuner(), 6)
    assert len({text for text, _ in found}) == len(found) == 30
    late = sum(value for _, value in found[15:]) / 15
    every = [1.0 - (abs(i - 1) + abs(j - 6)) / 14 for i, j in product(range(8), repeat=2)]
    assert late > sum(every) / len(every) + 0.1
    assert max(value for _, value in found) > 0.9


def test_only_windows_and_literals_change() -> None:
    searcher = tuner(formulas="ts_mean(close, 5) - 2 * ts_mean(open, 20); rank(ts_delta(close, 5))")
    candidates = searcher.ask(12)
    shapes = []
    for candidate in candidates:
        parts = [p for p in candidate.formula.walk() if not isinstance(p, Constant)]
        shapes.append([p.operator.name if isinstance(p, Call) else str(p) for p in parts])
        assert candidate.origin == "tune"
        assert GRAMMAR.problem(candidate.formula) is None
    assert all("ts_mean" in shape for shape in shapes[::2])
    assert all(shape == shapes[1] for shape in shapes[1::2])
    assert len({c.formula.digest for c in candidates}) > 6


@pytest.mark.parametrize("batch", [1, 3, 200])
@pytest.mark.parametrize("formulas", ["ts_mean(close, 5)", f"{FORMULA}; ts_mean(open, 5)"])
def test_every_setting_is_tried_once_and_then_nothing_is_left(formulas: str, batch: int) -> None:
    searcher = tuner(formulas=formulas)
    expected, settings = set(), 0
    for text in formulas.split(";"):
        template = text.replace("5)", "{})").replace("20)", "{})")
        for found in product(GRAMMAR.windows, repeat=text.count("ts_mean")):
            node, settings = canonicalise(parse(template.format(*found))), settings + 1
            # A mean by itself is no formula of the grammar.
            if GRAMMAR.problem(node) is None:
                expected.add(str(node))
    tried: list[str] = []
    while not searcher.exhausted:
        tried += [text for text, _ in run(searcher, 1, batch)]
        assert len(tried) <= len(expected)
    assert sorted(tried) == sorted(expected)
    assert searcher.ask(5) == []
    assert searcher.exhausted == (
        f"all {settings} settings of its windows and literals were gone through"
    )


def test_a_search_goes_on_where_its_settings_end_as_if_never_stopped() -> None:
    both = "ts_mean(close, 5); ts_mean(open, 5)"
    whole = tuner(formulas=both)
    found = run(whole, 4)
    assert len(found) == 16
    for stop in range(4):
        searcher, restored = tuner(0, both), tuner(9, both)
        done = run(searcher, stop)
        state = json.dumps(searcher.state_dict(), default=lambda a: a.tolist())
        restored.load_state_dict(json.loads(state))
        assert done + run(restored, 4 - stop) == found
        assert restored.exhausted == whole.exhausted != ""


def test_a_stop_between_ask_and_tell_loses_nothing() -> None:
    whole, searcher = tuner(), tuner()
    assert run(whole, 2) == run(searcher, 2)
    asked = [c.formula for c in whole.ask(5)]
    assert [c.formula for c in searcher.ask(5)] == asked
    restored = tuner(seed=9)
    state = json.dumps(searcher.state_dict(), default=lambda a: a.tolist())
    restored.load_state_dict(json.loads(state))
    for other in (whole, restored):
        results = [Evaluation(c, {}, score(c.formula)) for c in tuner_candidates(asked)]
        other.tell(results, PoolModel())
    assert run(whole, 2) == run(restored, 2)


def tuner_candidates(formulas: list[Node]) -> list[Any]:
    from alphamine.searchers.base import Candidate

    return [Candidate(formula, "tune") for formula in formulas]


@pytest.mark.parametrize(
    ("formulas", "law"), [("", "needs a formula"), ("close / open; rank(close)", "has none")]
)
def test_what_cannot_be_tuned_is_refused(formulas: str, law: str) -> None:
    with pytest.raises(SearchError, match=law):
        tuner(formulas=formulas)


def test_limits_that_nothing_fits_are_named() -> None:
    narrow = Grammar(windows=(50,), max_lookback=20)
    with pytest.raises(SearchError, match=r"ts_mean\(close, 5\) .* look-back, the limit is 20"):
        TuneSearcher(SearchContext(narrow, 0, TuneSettings("ts_mean(close, 5)")))


def test_of_a_library_what_the_grammar_allows_is_tuned() -> None:
    grammar = Grammar(max_lookback=120)
    searcher = TuneSearcher(SearchContext(grammar, 0, TuneSettings("library:alpha101")))
    published = library("alpha101").values()
    allowed = {f.digest for f in map(canonicalise, published) if grammar.problem(f) is None}
    assert 10 < len(allowed) < len(published)
    tuned = {digest for candidate in searcher.ask(60) for digest in candidate.parents}
    assert len(tuned) > 10
    assert tuned <= allowed


def test_without_optuna_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingDependency, match=r"alphamine\[models\]"):
        tuner()
