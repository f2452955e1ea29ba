"""What a run's page says of its pool in money, of its members by year, and of luck."""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.errors import AlphamineError
from alphamine.jobs.comparison import Estimate, Row
from alphamine.report.book import luck_line
from alphamine.report.html import comparison_page
from alphamine.runs.run import Run

DAYS, NAMES = 260, 30


@pytest.fixture(scope="module")
def panel() -> Panel:
    rng = np.random.default_rng(4)
    days = np.busday_offset("2020-01-06", np.arange(DAYS), roll="forward")
    close = 20 * np.exp(rng.normal(0, 0.02, (DAYS, NAMES)).cumsum(axis=0))
    volume = rng.uniform(1, 9, (DAYS, NAMES))
    splits = {"train": str(days[0]), "valid": str(days[130]), "test": str(days[200])}
    return Panel.from_arrays(
        days, [f"N{i}" for i in range(NAMES)], {"close": close, "volume": volume}, splits=splits
    )


@pytest.fixture(scope="module")
def run(panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("book") / "run"
    return am.search(panel, "random", 64, run_dir=folder, pool={"token_price": 0.0})


def figures_of(page: str) -> list[dict[str, object]]:
    blocks = page.split('<script type="application/json">')[1:]
    return [json.loads(block.split("</script>")[0]) for block in blocks]


def test_the_page_shows_what_a_backtest_of_the_pool_gives(run: Run, panel: Panel) -> None:
    page = run.report().read_text(encoding="utf-8")
    assert "What would it have earned?" in page
    lines = {
        line["name"]: line
        for figure in figures_of(page)
        for line in figure["data"]  # type: ignore[attr-defined]
        if "costs" in str(line.get("name"))
    }
    assert len(lines) == 4
    for split in ("train", "valid"):
        traded = am.backtest(run.pool, panel, "quantile", split=split)
        for name, series in (("before", "without"), ("after", "with")):
            expected = np.cumsum(traded.daily[f"return_{series}_cost"])
            got = lines[f"{split}, {name} costs"]["y"]
            np.testing.assert_allclose(got, expected, atol=1e-5)
        assert max(lines[f"{split}, after costs"]["x"]) < str(panel.dates[200])


@pytest.mark.parametrize("split", ["train", "valid"])
def test_a_factor_is_judged_by_brain_on_its_own_days(
    panel: Panel, split: str, tmp_path: Path
) -> None:
    formula = "rank(-ts_returns(close, 5))"
    report = am.evaluate(formula, panel, split=split)
    page = report.write_html(tmp_path / "factor.html").read_text(encoding="utf-8")
    traded = am.backtest(formula, panel, "neutral", split=split)
    names = [check.name for check in traded.checks]
    assert {"sharpe", "fitness", "high_turnover", "concentrated_weight"} <= {*names}
    section = page.split("Would BRAIN accept it?")[1].split("<h2>")[0]
    assert f"fitness {traded.metrics['fitness']:+.2f}, turnover" in section
    for check in traded.checks:
        said = "pass" if check.passed else "fail"
        assert f"<td>{check.name}</td><td>{said}</td>\n<td>{check.value:+.2f}</td>" in section
    [before, after] = next(
        figure["data"] for figure in figures_of(page) if "before costs" in json.dumps(figure)
    )  # type: ignore[misc]
    for line, series in ((before, "without"), (after, "with")):
        expected = np.cumsum(traded.daily[f"return_{series}_cost"])
        np.testing.assert_allclose(line["y"], expected, atol=1e-5)
        assert line["x"] == [str(day) for day in traded.dates]


def test_a_factor_stands_among_random_ones(panel: Panel, tmp_path: Path) -> None:
    report = am.evaluate("ts_std_dev(volume, 13) / ts_mean(close, 7)", panel)
    figure = report.figures()["landscape"]
    drawn = np.array(figure.data[0].x)
    assert len(drawn) == 500
    assert figure.layout.shapes[0].x0 == abs(report.rank_ic)
    below = (drawn < abs(report.rank_ic)).mean()
    assert report.known_percentile == pytest.approx(below, abs=0.01)
    page = report.write_html(tmp_path / "factor.html").read_text(encoding="utf-8")
    assert f"larger than {report.known_percentile:.1%} of them" in page


def test_a_book_that_cannot_be_traded_says_why(panel: Panel, tmp_path: Path) -> None:
    few = panel.rows(14)  # fewer days than a backtest takes, enough for a rank IC
    report = am.evaluate("rank(volume)", replace(few, splits=None))
    page = report.write_html(tmp_path / "factor.html").read_text(encoding="utf-8")
    assert "Its book could not be traded: a backtest needs at least" in page


def test_members_fold_open_to_their_years(run: Run, panel: Panel) -> None:
    page = run.report().read_text(encoding="utf-8")
    for formula in run.pool.formulas:
        report = am.evaluate(formula, panel, split="valid", trials=run.trial_count)
        for row in report.by_year.values():
            assert f"{row.rank_ic:+.4f}" in page
    assert page.count("<details>") >= len(run.members)


def test_every_member_has_a_page_of_its_own_if_that_is_asked_for(
    panel: Panel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = {"pool": {"token_price": 0.0, "size": 2}, "run_dir": tmp_path / "run"}
    run = am.search(panel, "random", 16, **settings)
    assert len(run.members) == 2
    assert "its whole page" not in run.report(tmp_path / "page.html").read_text("utf-8")
    page = run.report(tmp_path / "page.html", members=True).read_text("utf-8")
    addresses = re.findall(r'<a href="([^"]+)">its whole page</a>', page)
    assert len(addresses) == len(set(addresses)) == 2 * len(run.members)
    for member, formula in zip(run.members, run.pool.formulas, strict=True):
        for split in ("train", "valid"):
            address = f"page_members/{member['position']:02}_{split}.html"
            assert address in addresses
            shown = html.unescape((tmp_path / address).read_text("utf-8"))
            judged = am.evaluate(formula, panel, split=split)
            assert f"<h1><code>{formula}</code></h1>" in shown
            assert f"<b>{judged.rank_ic:+.4f}</b><span>mean rank IC" in shown
            # By all formulas that the run has tried, as on the run's page.
            assert f"out of {run.trial_count.trials}" in shown.replace("\n", " ")
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    run.report(tmp_path / "deep" / "page.html", members=True)
    said = capsys.readouterr()
    assert said.out == ""
    drawn = re.findall(r"drawing member (\d of 2 on \w+)", said.err)
    assert list(dict.fromkeys(drawn)) == [
        f"{i} of 2 on {split}" for i in (1, 2) for split in ("train", "valid")
    ]


def test_pages_of_members_need_the_panel(run: Run, tmp_path: Path) -> None:
    with pytest.raises(AlphamineError, match="drawn from the panel that was searched"):
        am.open_run(run.directory).report(tmp_path / "page.html", members=True)
    assert not [*tmp_path.iterdir()]


def test_a_panel_that_is_not_at_hand_is_asked_for(run: Run, panel: Panel, tmp_path: Path) -> None:
    lone = am.open_run(run.directory)
    page = lone.report(tmp_path / "lone.html").read_text(encoding="utf-8")
    assert "The panel that was searched is not at hand" in page
    assert "What would it have earned?" not in page
    given = am.open_run(run.directory, panel).report(tmp_path / "given.html")
    assert "What would it have earned?" in given.read_text(encoding="utf-8")
    other = panel.with_field("more", panel.field("close"))
    wrong = am.open_run(run.directory, other).report(tmp_path / "wrong.html")
    assert "not at hand" in wrong.read_text(encoding="utf-8")


def test_the_line_of_luck_is_the_expected_best_of_as_many_normal_numbers() -> None:
    members = [{"train_rank_ic": 0.03, "t": 3.0}, {"train_rank_ic": -0.02, "t": -2.0}]
    points, line = luck_line(members, 1000)
    rng = np.random.default_rng(0)
    for n in (points[20], points[-1]):
        best = np.abs(rng.normal(0, 0.01, (4000, n))).max(axis=1).mean()
        assert line[points.index(n)] == pytest.approx(best, rel=0.04)
    assert points[0] == 1
    assert points[-1] == 1000
    assert luck_line([{"train_rank_ic": float("nan"), "t": 0.0}], 10) == ([], [])


def test_what_to_do_next_depends_on_what_was_found(
    tmp_path: Path, write_run: Callable[..., Run]
) -> None:
    empty = write_run(tmp_path / "empty", members=0).report().read_text(encoding="utf-8")
    assert f"alphamine resume {tmp_path / 'empty'} --budget 80" in empty
    weak = write_run(tmp_path / "weak").report().read_text(encoding="utf-8")
    assert "do not trade this" in weak


@pytest.mark.parametrize("name", ["genetic", "<img src=x onerror=alert(1)>"])
def test_a_comparison_has_a_page(name: str, run: Run) -> None:
    rows = [
        Row("random", {"valid_rank_ic": Estimate(0.01, 0.002, 5)}, (run,)),
        Row(name, {"valid_rank_ic": Estimate(0.03, 0.004, 5)}, (run,)),
    ]
    page = comparison_page({"": rows}, "compare", 64)
    assert "0.0300 ± 0.0040" in page
    assert "<img" not in page.split("<script>")[0]
    assert f"{2 * run.evaluated:,} formulas were evaluated" in page
    [figure] = figures_of(page)
    assert figure["data"][0]["error_y"]["array"] == [0.002, 0.004]  # type: ignore[index]
