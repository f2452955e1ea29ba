"""Percentiles among random formulas: uniform for others like them, computed once, no trials."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import combinations, islice
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import alphamine as am
from alphamine.data.dataset.ledger import DatasetLedger
from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.splits import Splits
from alphamine.engine.evaluator import Evaluator
from alphamine.evaluation import landscape
from alphamine.evaluation.landscape import FORMULAS, NullLandscape, landscape_of
from alphamine.evaluation.summary import Summary
from alphamine.jobs.scorer import fitness


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ALPHAMINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_percentiles_of_fresh_random_formulas_are_uniform(
    market: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = landscape_of(market.sample())
    assert len(known.rank_ic) == FORMULAS
    monkeypatch.setattr(landscape, "_SEED", 7)
    fresh = landscape._rank_ics(market.sample())
    assert len(np.intersect1d(fresh, known.rank_ic)) < FORMULAS / 2
    places = [known.percentile(rank_ic) for rank_ic in fresh]
    assert stats.kstest(places, "uniform").pvalue > 0.01


def test_a_percentile_is_a_mean_rank() -> None:
    known = NullLandscape(np.array([0.01, 0.02, 0.02, 0.05]))
    for rank_ic in (0.0, 0.015, -0.02, 0.03, -0.2):
        below = stats.percentileofscore(known.rank_ic, abs(rank_ic), kind="mean") / 100
        assert known.percentile(rank_ic) == pytest.approx((4 * below + 0.5) / 5)
    assert math.isnan(known.percentile(math.nan))
    assert math.isnan(NullLandscape(np.array([])).percentile(0.1))


def test_the_best_of_n_is_the_mean_over_all_choices() -> None:
    values = np.sort(np.random.default_rng(0).exponential(size=9))
    small = NullLandscape(values)
    for n, best in enumerate(small.best_of(range(1, 10)), start=1):
        assert best == pytest.approx(np.mean([max(c) for c in combinations(values, n)]), rel=1e-12)
    assert np.isnan(small.best_of([0, 10])).all()
    # Five hundred, as a landscape has: the ends are known, and it rises between them.
    many = np.sort(np.random.default_rng(1).normal(size=500) ** 2)
    line = NullLandscape(many).best_of(range(1, 501))
    assert (line[0], line[-1]) == (pytest.approx(many.mean()), pytest.approx(many[-1]))
    assert (np.diff(line) > 0).all()


def test_numbers_are_those_of_evaluate(market: Panel) -> None:
    known = landscape_of(market.sample())
    formulas = list(islice(landscape._draws(market.sample()), 40))
    table = am.evaluate(formulas, market)
    kept = (table.coverage >= 0.5) & (table.days >= 0.5 * len(market.dates))
    expected = table.rank_ic[kept & table.rank_ic.notna()].abs()
    places = known.rank_ic.searchsorted(expected)
    nearest = np.minimum(
        np.abs(known.rank_ic[np.minimum(places, FORMULAS - 1)] - expected),
        np.abs(known.rank_ic[places - 1] - expected),
    )
    assert nearest.max() < 1e-9


def test_it_is_of_formulas_that_a_search_would_keep() -> None:
    # On volumes that are mostly equal many formulas have a rank IC on a handful of days.
    rng = np.random.default_rng(3)
    close = 20 * np.exp(rng.normal(0, 0.02, (200, 30)).cumsum(axis=0))
    volume = np.ones((200, 30))
    volume[::40] = rng.uniform(1, 2, (5, 30))
    days = np.busday_offset("2020-01-06", np.arange(200), roll="forward")
    names = [f"N{i}" for i in range(30)]
    panel = Panel.from_arrays(days, names, {"close": close, "volume": volume})
    sample = panel.sample()
    drawn = list(islice(landscape._draws(sample), 1500))
    scores = dict(Evaluator(panel).scores(drawn, sample))
    numbers = [Summary.of(scores[i]) for i in range(len(drawn))]
    kept = [fit for n in numbers if np.isfinite(fit := fitness(n, len(sample.label)))]
    assert FORMULAS <= len(kept) < 0.9 * len(drawn)
    np.testing.assert_array_equal(landscape_of(sample).rank_ic, np.sort(kept[:FORMULAS]))


def test_it_is_computed_once_and_no_trial(
    market: Panel, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = am.evaluate("volume", market).percentile
    assert 0.9 < first < 1.0  # the market's own effect
    with DatasetLedger(market.dataset) as ledger:
        assert ledger.count() == 1
    assert len(list((cache / "landscapes").iterdir())) == 1
    monkeypatch.setattr(landscape, "_rank_ics", None)
    again = am.evaluate("volume", market)
    assert again.percentile == again.to_dict()["percentile"] == first
    assert f"{first:.1%} of 500 random formulas" in again._repr_html_()


def test_it_is_one_of_a_label_and_a_split(market: Panel) -> None:
    split = replace(market, splits=Splits((0, 150), (156, 290), None, gap=6))
    panels = {
        "all": market.sample(),
        "train": split.sample(),
        "valid": split.sample("valid"),
        "label": replace(market, label_spec=LabelSpec(horizon=1)).sample(),
    }
    found = {name: landscape_of(sample).rank_ic for name, sample in panels.items()}
    assert len({ics.tobytes() for ics in found.values()}) == 4


def test_nobody_waits_for_it_unasked_on_a_large_panel(
    market: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landscape, "_QUICK_CELLS", 0)
    report = am.evaluate("volume", market)
    assert math.isnan(report.known_percentile)
    assert (report.to_dict()["percentile"], report.place) == (None, "")
    assert report.percentile > 0.9
    assert report.known_percentile == report.percentile


def test_a_run_shows_the_places_of_its_members(market: Panel, tmp_path: Path) -> None:
    panel = replace(market, splits=Splits((0, 180), (186, 290), None, gap=6))
    run = am.search(panel, "random", budget=40, run_dir=tmp_path / "run", pool_size=3)
    page = run.report().read_text("utf-8")
    place = landscape_of(panel.sample("valid")).percentile(run.members[0]["valid_rank_ic"])
    assert "<th>percentile valid</th>" in page
    [first] = re.findall(r"<tr><td>1</td>.*?</tr>", page, re.DOTALL)
    assert first.endswith(f"<td>{place:.1%}</td></tr>")
    # The search curve stands beside that of as many random formulas.
    line = landscape_of(panel.sample("train")).best_of([40])[0]
    [curve] = [block for block in page.split("application/json") if '"random formulas"' in block]
    assert f"{round(line, 5)}]" in curve
    assert "the 500 formulas, drawn" in page
    # Without the panel at hand, what is kept is found by what the run has recorded.
    kept = am.open_run(run.directory).landscape("valid")
    assert kept is not None
    assert kept.percentile(run.members[0]["valid_rank_ic"]) == place
