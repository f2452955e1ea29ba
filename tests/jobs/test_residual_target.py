"""Searches whose target is the residual label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import alphamine as am
from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.risk import RiskSettings
from alphamine.errors import DataError, SearchError
from alphamine.jobs.config import read_job
from alphamine.jobs.placebo import shuffled
from alphamine.jobs.scorer import Scorer


@pytest.fixture(scope="module")
def market(small_panel: Panel) -> Panel:
    sectors = np.tile(np.arange(24) % 3, (small_panel.shape[0], 1))
    label = LabelSpec(horizon=5, delay=1, residual=RiskSettings(("beta", "volatility")))
    return replace(
        small_panel,
        groups={"sector": sectors},
        group_names={"sector": ("a", "b", "c")},
        label_spec=label,
    )


@pytest.fixture(scope="module")
def run(market: Panel, tmp_path_factory: pytest.TempPathFactory) -> am.Run:
    folder = tmp_path_factory.mktemp("residual") / "run"
    return am.search(market, "genetic", budget=96, seed=0, run_dir=folder, combine=["ridge"])


def test_the_ledger_holds_what_an_evaluation_says(run: am.Run, market: Panel) -> None:
    for record in [r for r in run.records if np.isfinite(r.fitness)][:8]:
        report = am.evaluate(record.formula, market)
        assert record.train["rank_ic"] == report.rank_ic
        assert report.rank_ic == pytest.approx(report.residual.stats.mean, abs=1e-6)
        assert report.raw.mean != report.rank_ic
    raw = replace(market, label_spec=replace(market.label_spec, residual=None))
    assert am.evaluate("rank(volume)", raw).rank_ic == am.evaluate("rank(volume)", market).raw.mean


def test_a_run_says_what_its_target_was(run: am.Run, tmp_path: Path) -> None:
    assert run.record.label["residual"]["styles"] == ["beta", "volatility"]
    assert run.record.label["taken_out"] == "beta, volatility, sector"
    assert "the target was the residual label" in run.remarks[0]
    assert {"train_raw_rank_ic", "valid_raw_rank_ic"} <= {*run.members[0]}
    assert {"numbers", "raw"} <= {*run.record.combined["valid"]}
    page = run.report(tmp_path / "page.html").read_text("utf-8")
    assert "raw rank IC valid" in page
    assert "beta, volatility, sector" in page
    assert run.record.models[0]["numbers"]["valid"]["days"] > 30


def test_the_test_split_shows_both(run: am.Run, market: Panel) -> None:
    report = run.reveal_test(market)
    assert report.rows[-1].raw is not None
    assert report.rows[-1].raw.rank_ic != report.rows[-1].numbers.rank_ic
    assert "raw_rank_ic" in report.table().columns


def test_it_goes_on_as_if_never_stopped(market: Panel, run: am.Run, tmp_path: Path) -> None:
    am.search(market, "genetic", budget=32, seed=0, run_dir=tmp_path / "r", combine=["ridge"])
    again = am.resume(tmp_path / "r", market, budget=96)
    assert repr(again.records) == repr(run.records)
    assert again.pool == run.pool
    raw = replace(market, label_spec=replace(market.label_spec, residual=None))
    with pytest.raises(SearchError, match="its label was"):
        am.resume(tmp_path / "r", raw, budget=128)


def test_poisoned_test_rows_change_no_bit(
    market: Panel, run: am.Run, poison: Callable[[Panel, int], Panel], tmp_path: Path
) -> None:
    assert market.splits is not None
    assert market.splits.test is not None
    spoiled = poison(market, market.splits.test[0])
    again = am.search(spoiled, "genetic", budget=96, seed=0, run_dir=tmp_path / "r")
    assert repr(again.records) == repr(run.records)


def test_placebos_shuffle_what_is_left(market: Panel) -> None:
    sample = market.sample()
    other = shuffled(sample, np.random.default_rng(0))
    assert sample.projection is not None
    assert other.projection is not None
    mine, theirs = (np.nanstd(s.projection.residual) for s in (sample, other))
    assert theirs == pytest.approx(mine, rel=0.05)
    scores = Scorer(market.without_test(), other).train_rank_ic([am.parse("volume")])
    assert abs(np.nanmean(scores[0])) < 0.1


def test_a_job_and_a_specification_name_it(tmp_path: Path) -> None:
    job = read_job(None, {"data": "synthetic", "residual": "size,beta,sector"})
    known = {"styles": ["size", "beta"], "groups": ["sector"], "weights": "inverse_volatility"}
    assert job.source["residual"] == known
    panel = am.load("synthetic", residual={"styles": ["beta"], "weights": "equal"})
    assert panel.label_spec.residual == RiskSettings(("beta",), None, "equal")
    assert panel.source["residual"]["styles"] == ["beta"]
    plain = am.load("synthetic")
    assert "residual" not in plain.source
    assert panel.fingerprint != plain.fingerprint
    assert panel.dataset == plain.dataset
    with pytest.raises(SearchError, match="residual has no setting 'style'; did you mean 'styles'"):
        read_job(None, {"data": "synthetic", "residual": {"style": ["beta"]}})
    with pytest.raises(DataError, match=r"'sectr' is neither a style .* did you mean 'sector'"):
        am.load("synthetic", residual="beta,sectr")
    with pytest.raises(DataError, match=r"styles are size.*'betta'; did you mean 'beta'"):
        am.load("synthetic", residual={"styles": ["betta"]})


def test_alphagens_pool_takes_no_residual(market: Panel, tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="search on the raw label"):
        am.search(
            market,
            "random",
            budget=8,
            run_dir=tmp_path / "r",
            pool={"parity": "alphagen", "l1": 0.0},
        )
