"""The harness: formulas that evaluate, comparisons that notice, tables that say what was found."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "workers"))


def operators(formula: object) -> int:
    return 1 + sum(map(operators, formula[1:])) if isinstance(formula, list) else 0


def test_random_formulas_are_the_same_each_time_and_of_the_size_of_a_search() -> None:
    from benchmarks.formulas import population, random_formulas

    formulas = random_formulas(300)
    assert formulas == random_formulas(300)
    assert len({str(f) for f in formulas}) == 300
    assert 3.5 < np.mean([operators(f) for f in formulas]) < 6.5
    assert len(population(300)) == 300


def test_every_random_formula_is_one_of_our_language() -> None:
    from alphamine_worker import build

    from benchmarks.formulas import population, random_formulas

    for formula in random_formulas(200) + population(200):
        assert build(formula).depth >= 2
    sys.modules.pop("alphamine_worker")


def test_comparison_notices_wrong_values_and_wrong_gaps() -> None:
    from benchmarks.agreement import compared

    theirs = np.arange(1.0, 101.0)
    ours = theirs.copy()
    ours[90:93] *= 1.01
    assert compared(ours, theirs, 1e-3)["close"] == pytest.approx(0.97)
    ours[50:60] = np.nan
    assert compared(ours, theirs, 1e-3)["present"] == pytest.approx(0.9)


def test_a_foreign_graph_keeps_its_meaning() -> None:
    from kunquant_graph import translate

    import alphamine as am
    from alphamine.engine.evaluator import Evaluator

    graph = [
        {"op": "Input", "in": [], "name": "close"},
        {"op": "Rank", "in": [0]},
        {"op": "LessThanConst", "in": [1], "value": 0.5},
        {"op": "SubConst", "in": [0], "value": 1.0, "swap": True},
        {"op": "Select", "in": [2, 3, 0]},
        {"op": "Output", "in": [4], "name": "chosen"},
    ]
    x = np.array([[4.0, 2.0, 3.0, 1.0], [7.0, np.nan, 5.0, 6.0]])
    panel = am.Panel.from_arrays(
        np.datetime64("2020-01-01") + np.arange(2),
        list("abcd"),
        {"close": x},
        np.ones((2, 4)) > 0,
        {"market": np.zeros((2, 4), int)},
    )
    (got,) = Evaluator(panel, "float64").values([translate(graph)["chosen"]])
    # Below half of r / n: ranks 1 of 4 and 1 of 3; a comparison with a gap is false.
    want = np.array([[4.0, 2.0, 3.0, 0.0], [7.0, np.nan, -4.0, 6.0]])
    np.testing.assert_array_equal(got, want)


def test_tables_stand_between_their_markers(tmp_path: Path) -> None:
    from benchmarks.tables import write_readme

    page = tmp_path / "README.md"
    page.write_text("before\n<!-- agreement -->\nold\n<!-- end -->\nafter\n")
    entry = {"agrees": True, "close": 1.0, "present": 1.0, "correlation": 1.0, "single": 1.0}
    other = {**entry, "agrees": False, "close": 0.5}
    write_readme({"agreement": {"alpha001": entry, "alpha002": other}}, page)
    text = page.read_text()
    assert text.startswith("before")
    assert text.endswith("<!-- end -->\nafter\n")
    assert "1 of 2 formulas agree" in text
    assert "| alpha002 | 50.00 |" in text
    assert "old" not in text


def test_tables_of_null_searches_count_runs_that_claim_something(tmp_path: Path) -> None:
    from benchmarks.tables import interval, write_readme

    nothing = {"survive": 0, "confirmed": 0, "weak": 2, "family_p": 0.2, "best_t": 4.0}
    claims = {**nothing, "survive": 3, "family_p": 0.01, "best_t": 7.5}
    nulls = {
        "searches": {"random 5 1": [nothing] * 3, "genetic 5 1": [nothing, claims]},
        "lucky": {
            "500 20": {
                "alone": 2,
                "best": 3,
                "claims": 1,
                "runs": 4,
                "degrees": 8,
                "trials": 10_000,
                "single": 0.0512,
                "family": 0.0535,
            }
        },
        "power": {"500 20": {"1": {"3": 0.52, "5": 0.96}, "100": {"3": 0.0, "5": 0.03}}},
    }
    page = tmp_path / "README.md"
    names = ("null searches", "null series", "power")
    page.write_text("".join(f"<!-- {name} -->\n<!-- end -->\n" for name in names))
    write_readme({"nulls": nulls}, page)
    text = page.read_text()
    none = f"{interval(0, 3)} | {interval(0, 3)} | {interval(3, 3)}"
    assert f"| random, horizon 5, one search | 3 | {none} |" in text
    shares = f"{interval(1, 5)} | {interval(0, 5)} | {interval(5, 5)} | {interval(1, 5)}"
    assert f"| all, one search | 5 | {shares} |" in text
    drawn = f"{interval(2, 4)} | 5.12% | {interval(3, 4)} | 5.35% | {interval(1, 4)}"
    assert f"| 500 days, horizon 20 | 8 | {drawn} |" in text
    assert "| 500 days, horizon 20 | 100 | 0 | 3 |" in text
    # Clopper and Pearson's table: 1 of 10 is 0.3 to 44.5 %.
    assert interval(1, 10) == "10.0% (0.3% to 44.5%)"


def test_series_of_a_null_benchmark_have_the_t_they_are_given() -> None:
    from alphamine.evaluation.trust.inference import cosine_test
    from benchmarks.nulls import overlapping

    series = overlapping(np.random.default_rng(0), 2400, 5, 300, t=5.0)
    assert np.mean([cosine_test(x, 5).t for x in series.T]) == pytest.approx(5.0, abs=0.35)
    # 5 rows of noise are summed, so neighbours share 4 of them.
    lagged = [np.corrcoef(x[1:], x[:-1])[0, 1] for x in series.T]
    assert np.mean(lagged) == pytest.approx(0.8, abs=0.01)


def test_what_a_verdict_reads_of_useless_series_is_drawn_without_them() -> None:
    from scipy.stats import ks_2samp

    from alphamine.evaluation.trust.inference import cosine_test
    from benchmarks.nulls import Series, overlapping

    rng = np.random.default_rng(1)
    whole = overlapping(rng, 120, 5, 2000)
    tests = [cosine_test(x, 5) for x in whole.T]
    t, quarters = Series.of(120, 5).draw(rng, 2000)
    assert ks_2samp(t, [test.t for test in tests]).pvalue > 0.01
    sums = whole.reshape(4, 30, 2000).sum(axis=1)
    np.testing.assert_allclose(np.cov(quarters.T), np.cov(sums), rtol=0.2, atol=150)
    assert np.std(quarters) == pytest.approx(np.std(sums), rel=0.05)


def test_the_size_that_is_computed_is_that_of_series() -> None:
    from scipy.stats import t as student

    from benchmarks.nulls import Series

    rng, series = np.random.default_rng(2), Series.of(100, 10)
    rejected = np.abs(series.draw(rng, 200_000)[0]) > student.isf(0.05, series.degrees)
    assert series.claimed(rng, 0.1, draws=100_000) == pytest.approx(rejected.mean(), abs=0.004)
    # Cosines of moving sums do not all have the same variance, of which Student's t knows nothing.
    assert series.claimed(rng, 0.1, draws=100_000) > 0.101


def test_the_market_of_a_null_search_forecasts_nothing() -> None:
    from benchmarks.nulls import DAYS, NAMES, market, search_nothing

    panel = market(3, 5)
    assert panel.shape == (DAYS, NAMES)
    assert "planted" not in panel.notes
    found = search_nothing("random", 5, 2, 3, 40)
    assert found["trials"] == 40
    assert found["survive"] == 0


def test_a_search_is_measured_by_the_pool_that_it_has_filled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from benchmarks import comparisons

    monkeypatch.setattr(comparisons, "MARKS", (32, 64))
    seen: list[dict[str, float]] = []
    with comparisons.synthetic() as market:
        comparisons.compare(market, comparisons.ROWS["random"], 0, 64, seen.extend)
    assert seen[-1]["evaluations"] == 64
    assert seen[-1]["objective"] > seen[0]["objective"] > 0.0
    assert seen[-1]["nearest"] > 0.1


def test_islands_are_measured_together_and_the_first_is_the_search_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from benchmarks import comparisons

    monkeypatch.setattr(comparisons, "MARKS", (32, 64))
    monkeypatch.setattr(comparisons, "SIZE", 3)
    alone: list[dict[str, float]] = []
    together: list[dict[str, float]] = []
    row = comparisons.ROWS["random"]
    with comparisons.synthetic() as market:
        comparisons.compare(market, row, 0, 32, alone.extend)
        comparisons.compare(market, replace(row, each=32), 0, 64, together.extend)
    assert [m["evaluations"] for m in together] == [32, 64]
    for measure in ("recovery", "delivered"):
        assert together[0][measure] == pytest.approx(alone[0][measure], abs=1e-9)
    assert together[0]["average"] == pytest.approx(together[0]["delivered"], abs=1e-9)
    # Three formulas stand for six, and say something else.
    assert together[1]["average"] != together[1]["delivered"]


def test_the_table_beside_qweave_is_that_of_the_figures() -> None:
    from benchmarks.tables import qweave

    results = json.loads((ROOT / "benchmarks" / "results.json").read_text("utf-8"))
    table = qweave(results)
    assert table in (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    for library in ("alpha101", "alpha158"):
        found = results["qweave"][library]
        times, agrees = found["times"], found["agreement"]
        assert f"{times['qweave']['cpu'] / times['alphamine']['cpu']:.1f}" in table
        assert agrees["close"] == agrees["factors"] - len(agrees["differ"])


def test_every_suite_is_run_and_documented_and_asks_for_no_environment_but_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import benchmarks.__main__ as harness

    asked: list[str] = []

    def suite(name: str) -> object:
        return lambda bench: asked.append(f"{name} in {bench.environments.name}, {bench.quick}")

    def no_peers(bench: object) -> dict[str, str]:
        asked.append("the peers' versions")
        return {}

    for name in harness.ALL:
        monkeypatch.setitem(harness.ALL, name, suite(name))
    monkeypatch.setattr(harness, "_facts", no_peers)
    folder = tmp_path / "made"
    arguments = ["benchmarks", "--quick", "--environments", str(folder)]
    monkeypatch.setattr(sys, "argv", [*arguments, "--only", "qweave"])
    harness.main()
    assert asked == ["qweave in made, True"]
    assert not folder.exists()
    asked.clear()
    monkeypatch.setattr(sys, "argv", arguments)
    harness.main()
    assert asked == ["the peers' versions", *(f"{name} in made, True" for name in harness.ALL)]
    page = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    assert f"# one suite: {', '.join(harness.ALL)}\n" in page


def test_tables_of_the_residual_label_have_a_row_for_each_target(tmp_path: Path) -> None:
    from benchmarks.residual import SECTIONS
    from benchmarks.tables import interval, write_readme

    run = {
        "market": "m", "searcher": "random", "evaluations": 10, "target": "raw", "seed": 0,
        "recovery": 0.5, "delivered": None, "raw_rank_ic": 0.02, "residual_rank_ic": 0.03,
        "sharpe": 1.5, "seconds": 2.0,
    }  # fmt: skip
    part = {"raw": 1, "residual": 0, "tests": 20}
    results = {
        "residual searches": [run, {**run, "seed": 1, "recovery": 0.7}],
        "residual size": [{"noise": part, "style": part}] * 2,
        "residual cost": {"0.05": {"raw": 2.0, "residual": 3.0}},
        "residual known": {
            "us_1500": [
                {
                    "formula": "f", "raw": 3.1, "residual": 5.4, "raw_ic": 0.009,
                    "residual_ic": 0.008, "raw_std": 0.06, "residual_std": 0.04,
                }
            ]
        },
    }  # fmt: skip
    page = tmp_path / "README.md"
    page.write_text("".join(f"<!-- {name} -->\n<!-- end -->\n" for name in SECTIONS))
    write_readme(results, page, SECTIONS)
    text = page.read_text()
    # Student's 12.7 times the standard error .1 of two seeds.
    assert (
        "| m, random, 10 | raw | 0, 1 | 0.6 ± 1.3 | - | 2 ± 0 | 3 ± 0 | - | 1.5 ± 0 | 2 ± 0 |"
        in text
    )
    assert "| 5% | 2.00 | 3.00 | 1.50 |" in text
    assert "| us_1500, `f` | 3.1 / 5.4 | 0.009 / 0.008 | 0.060 / 0.040 |" in text
    assert f"| noise | 40 | {interval(2, 40)} | {interval(0, 40)} |" in text


def test_the_markets_table_puts_raw_and_residual_where_they_belong() -> None:
    from benchmarks.markets import markets_section

    def row(searcher: str, **means: float) -> dict[str, object]:
        estimates = {n: {"mean": m, "half_width": 0.004, "runs": 5} for n, m in means.items()}
        return {"searcher": searcher, **estimates}

    markets = {
        "China": [row("random", valid_rank_ic=0.03, test_rank_ic=0.02)],
        "China, residual": [
            row("random", valid_rank_ic=0.05, valid_raw_rank_ic=0.01, test_rank_ic=0.04)
        ],
    }
    lines = markets_section({"markets": {"markets": markets}}).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    raw, residual = (dict(zip(cells[0], found, strict=True)) for found in cells[2:])
    assert raw["rank IC on valid, times 100"] == "3.00 ± 0.40"
    assert raw["rank IC on test, times 100"] == "2.00 ± 0.40"
    assert raw["residual rank IC on valid, times 100"] == "-"
    assert residual["rank IC on valid, times 100"] == "1.00 ± 0.40"
    assert residual["residual rank IC on valid, times 100"] == "5.00 ± 0.40"
    assert residual["residual rank IC on test, times 100"] == "4.00 ± 0.40"
    assert residual["rank IC on test, times 100"] == "-"
