"""What the parts of a formula are worth, where that is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import alphamine as am
from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel

DAYS, NAMES = 150, 50


@pytest.fixture(scope="module")
def market() -> Panel:
    rng = np.random.default_rng(2)
    truth, idle, noise = (rng.normal(size=(DAYS, NAMES)) for _ in range(3))
    returns = 0.02 * rng.normal(size=(DAYS, NAMES))
    returns[2:] += 0.006 * truth[:-2]
    columns = {"close": 20 * np.exp(np.cumsum(returns, axis=0)), "truth": truth, "idle": idle}
    return Panel.from_arrays(
        np.busday_offset("2019-10-01", np.arange(DAYS), roll="forward"),
        [f"N{i}" for i in range(NAMES)],
        {**columns, "noise": noise, "volume": np.exp(idle)},
        label_spec=LabelSpec(horizon=1),
        name="parts",
    )


def test_a_planted_part_is_first_and_an_inert_one_is_worth_nothing(market: Panel) -> None:
    report = am.evaluate("rank(truth) + 0.3 * rank(noise) + 0 * idle", market)
    found = report.ablation()
    worth = {part.expression: part for part in found.parts}
    assert found.parts[0].leaf or found.parts[0].expression == "rank(truth)"
    assert found.parts[0].permuted.t > 5
    assert worth["truth"].permuted.mean == pytest.approx(worth["rank(truth)"].permuted.mean)
    assert worth["idle"].permuted.mean == 0.0
    assert worth["idle"].flat == 0.0
    assert abs(worth["noise"].permuted.mean) < 0.2 * worth["truth"].permuted.mean
    # A formula that is worse than nothing loses: its sign does not matter.
    turned = am.evaluate("-rank(truth)", market).ablation()
    assert turned.parts[0].permuted.mean > 0.1


def test_it_is_the_rank_ic_with_the_part_exchanged(market: Panel) -> None:
    report = am.evaluate("truth + noise", market)
    part = next(p for p in report.ablation().parts if p.expression == "noise")
    sample, truth = market.sample(), market.field("truth")
    days = np.flatnonzero(~np.isnan(report.daily.rank_ic))

    def rank_ic(x: np.ndarray) -> float:
        pairs = [(x[t], sample.label[t]) for t in days]
        return float(np.mean([stats.spearmanr(a, b).statistic for a, b in pairs]))

    flat = truth + np.median(market.field("noise"), axis=1, keepdims=True)
    expected = rank_ic(truth + market.field("noise")) - rank_ic(flat)
    assert part.flat == pytest.approx(expected, abs=1e-6)
    rng, lost = np.random.default_rng(0), []
    for _ in range(4):
        other = market.field("noise")[:, rng.permutation(NAMES)]
        lost.append(rank_ic(truth + market.field("noise")) - rank_ic(truth + other))
    assert part.permuted.mean == pytest.approx(np.mean(lost), abs=1e-6)


def test_words_pages_and_json_show_it(market: Panel, tmp_path: Path) -> None:
    report = am.evaluate("rank(ts_corr(truth, volume, 10))", market)
    found = report.ablation()
    assert found.words[0].startswith("ts_corr(truth, volume, 10): Pearson correlation of x and y")
    assert found.words[0].endswith("x = truth, y = volume, d = 10")
    assert list(found.to_frame().columns) == ["worth", "error", "t", "flat"]
    page = report.write_html(tmp_path / "page.html").read_text("utf-8")
    assert "What is each part worth?" in page
    assert "Pearson correlation of x and y" in page
    document = json.loads(json.dumps(report.to_dict(full=True), allow_nan=False))
    assert len(document["ablation"]["parts"]) == 3
    single = am.evaluate("truth", market).ablation()
    assert [part.expression for part in single.parts] == ["truth"]
    assert single.parts[0].flat == pytest.approx(single.rank_ic)
