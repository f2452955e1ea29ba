"""The residual label as a target: the size of its test, t-values, and what searches find with it.

    python -m benchmarks.residual                       # size and t-values
    python -m benchmarks.residual --searchers random rl --evaluations 5000 --seeds 0 1 2
    python -m benchmarks.residual --market csi300 --searchers local --evaluations 2000

Real panels are those of `data_specs`; those that this machine lacks are left out.

Everything is added to `residual.json`, run by run; what is there is not repeated. The tables of
`README.md` are written from it.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

import alphamine as am
from alphamine.data.labels import LabelSpec
from alphamine.data.risk import RiskSettings, exposures_of
from alphamine.data.synthetic.market import planted, simulate
from alphamine.data.synthetic.settings import MarketSettings
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.ranks import quick_ranks
from alphamine.engine.scores import daily_scores
from alphamine.errors import DataError
from alphamine.evaluation.backtest import SimulationSettings
from alphamine.evaluation.trust.inference import cosine_test, upper_tail
from alphamine.expression.nodes import field

from .tables import Results, interval, table, write_readme

HERE = Path(__file__).parent
RESULTS = HERE / "residual.json"
SPECS: Mapping[str, Mapping[str, Any]] = {
    "synthetic": {"spec": "synthetic"},
    "synthetic_styles": {"spec": "synthetic_styles"},
    "synthetic_calibrated": {"spec": "synthetic_calibrated"},
    "cn_csi800": {"spec": "cn_csi800"},
    "us_1500": {"spec": "us_1500"},
    "in_nse": {"spec": "in_nse"},
    "csi300": {"spec": "cn_csi800", "universe": "CSI300"},
    "sp500": {"spec": "us_1500", "universe": "SP500"},
    "adv500": {"spec": "in_nse", "universe": "ADV500"},
}
REAL = ("cn_csi800", "us_1500", "in_nse")
# Three that are no style, and one that is nothing else.
KNOWN: Mapping[str, str] = {
    "-ts_corr(close, volume, 10)": "price and volume",
    "-ts_mean(volume, 5) / ts_mean(volume, 60)": "volume of a week by that of a quarter",
    "-sign(ts_delta(volume, 1)) * ts_returns(close, 1)": "Alpha 12's kind",
    "ts_std_dev(ts_returns(close, 1), 20)": "volatility, a style",
}
TARGETS = ("raw", "residual")
# Markets for the size of the test, and factors of each kind on each.
MARKETS, FACTORS = 20, 50
DAYS, NAMES = 650, 100


def nothing(seed: int) -> am.Panel:
    """A market with styles as strong as real ones and nothing that forecasts."""
    settings = MarketSettings(
        days=DAYS, symbols=NAMES, sectors=5, seed=seed, style_volatility=0.0097
    )
    made = simulate(settings)
    return am.Panel.from_arrays(
        np.busday_offset(settings.start, np.arange(DAYS), roll="forward"),
        [f"N{i:03d}" for i in range(NAMES)],
        made.columns,
        made.shocks.listed,
        {"sector": np.tile(made.shocks.sector, (DAYS, 1))},
        label_spec=LabelSpec(horizon=5, residual=RiskSettings()),
        name=f"nothing {seed}",
    )


def size(seed: int) -> dict[str, dict[str, int]]:
    """Of useless factors on such a market: how many are called real at 5 %, two-sided.

    `noise`: autocorrelated noise; `style`: random weights of the styles, and a tenth of noise.
    """
    panel, rng = nothing(seed), np.random.default_rng([seed, 1])
    sample = panel.sample()
    styles = np.stack([*exposures_of(panel, sample.rows, RiskSettings()).styles.values()])
    found = {kind: dict.fromkeys(("raw", "residual", "tests"), 0) for kind in ("noise", "style")}
    for _ in range(FACTORS):
        noise = rng.standard_normal(panel.shape)
        for t in range(1, DAYS):
            noise[t] = 0.95 * noise[t - 1] + math.sqrt(1.0 - 0.95**2) * noise[t]
        style = np.full(panel.shape, np.nan)
        weights = rng.standard_normal(len(styles))
        style[sample.rows] = np.einsum("k,ktn->tn", weights, styles)
        for kind, factor in (("noise", noise), ("style", style + 0.1 * noise)):
            held = replace(panel, columns={**panel.columns, "factor": factor})
            [(_, daily)] = Evaluator(held, "float64").scores([field("factor")], sample)
            assert daily.raw_rank_ic is not None
            for target, series in (("raw", daily.raw_rank_ic), ("residual", daily.rank_ic)):
                test = cosine_test(series, 5)
                found[kind][target] += upper_tail(abs(test.t), test.degrees) < 0.025
            found[kind]["tests"] += 1
    print(f"  size, market {seed}: {found}", flush=True)
    return found


def opened(market: str, target: str) -> am.Panel:
    """A market whose label is the target."""
    given = dict(SPECS[market])
    residual = "default" if target == "residual" else None
    return am.load(given.pop("spec"), residual=residual, **given)


def cost(gaps: float) -> dict[str, float]:
    """CPU milliseconds a formula of daily scores (IC and rank IC) of values that are there."""
    settings = MarketSettings(days=2330, symbols=300, sectors=11, seed=3, style_volatility=0.0097)
    made, rng = simulate(settings), np.random.default_rng(1)
    shape = (settings.days, settings.symbols)
    columns = dict(made.columns)
    for i in range(8):
        values = rng.standard_normal(shape)
        columns[f"f{i}"] = np.where(rng.random(shape) < gaps, np.nan, values)
    calls = {}
    for target in TARGETS:
        panel = am.Panel.from_arrays(
            np.busday_offset(settings.start, np.arange(settings.days), roll="forward"),
            [f"N{i:03d}" for i in range(settings.symbols)],
            columns,
            made.shocks.listed,
            {"sector": np.tile(made.shocks.sector, (settings.days, 1))},
            label_spec=LabelSpec(
                horizon=5, residual=RiskSettings() if target == "residual" else None
            ),
            name=target,
        )
        calls[target] = (Evaluator(panel, threads=1), panel.sample())
    formulas, seconds = [field(f"f{i}") for i in range(8)], {target: [] for target in TARGETS}
    for turn in range(11):
        for target, (evaluator, sample) in calls.items():
            began = time.process_time()
            list(evaluator.scores(formulas, sample, turnover=False))
            # The first turns make what is kept.
            if turn >= 2:
                seconds[target].append(time.process_time() - began)
    found = {k: 1000.0 * float(np.median(v)) / len(formulas) for k, v in seconds.items()}
    print(f"  cost, gaps of {gaps:.0%}: {found}", flush=True)
    return found


def there(market: str) -> bool:
    """Whether this machine has the data of a market."""
    try:
        opened(market, "raw")
    except DataError as error:
        print(f"  {market} is left out: {error}", flush=True)
        return False
    return True


def t_values(market: str) -> list[dict[str, Any]]:
    """Of the planted formulas of a market, or of known ones, on train, raw and residual."""
    panel, rows = opened(market, "residual"), []
    formulas = [*KNOWN] if market in REAL else [str(f) for f in planted(panel.notes).formulas]
    for formula in formulas:
        report = am.evaluate(formula, panel)
        rows.append(
            {
                "formula": formula,
                "raw": report.raw.t,
                "residual": report.trust.t,
                "raw_ic": report.raw.mean,
                "residual_ic": report.rank_ic,
                "raw_std": report.raw.std,
                "residual_std": report.rank_ic_std,
            }
        )
    return rows


def search(market: str, searcher: str, target: str, evaluations: int, seed: int) -> dict[str, Any]:
    """One search, and its pool judged on valid by both targets."""
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = am.search(
            opened(market, target), searcher, evaluations, seed, Path(folder) / "run",
            islands="none", progress=False,
        )  # fmt: skip
        seconds = time.process_time() - began
        judge = opened(market, "residual").without_test()
        sample = judge.sample("valid")
        daily = daily_scores(run.pool.signal(sample.panel), sample, ranks=quick_ranks)
        assert daily.raw_rank_ic is not None
        book = am.backtest(
            run.pool, judge, SimulationSettings(delay=1, decay=5), split="valid", hedge="styles"
        )
        found = {
            "market": market,
            "searcher": searcher,
            "target": target,
            "evaluations": evaluations,
            "seed": seed,
            "members": len(run.members),
            "recovery": run.record.recovery,
            "delivered": run.record.delivered,
            "raw_rank_ic": float(np.nanmean(daily.raw_rank_ic)),
            "residual_rank_ic": float(np.nanmean(daily.rank_ic)),
            "raw_t": cosine_test(daily.raw_rank_ic, 5).t,
            "residual_t": cosine_test(daily.rank_ic, 5).t,
            "sharpe": book.metrics["return_with_cost.additive.information_ratio"],
            "sharpe_before_costs": book.metrics["return_without_cost.additive.information_ratio"],
            "seconds": seconds,
        }
    print(f"  {found}", flush=True)
    return found


def t_table(results: Results) -> str:
    """t-values of planted formulas, and the spread of their daily rank ICs."""
    rows = []
    synthetic = {name: found for name, found in results["residual t"].items() if name not in REAL}
    for market, found in synthetic.items():
        ratios = [row["residual"] / row["raw"] for row in found]
        spread = [np.mean([row[f"{target}_std"] for row in found]) for target in TARGETS]
        cells = [f"{row['raw']:.1f} / {row['residual']:.1f}" for row in found]
        rows.append(
            [market, *cells, f"{np.mean(ratios):.2f}", f"{spread[0]:.3f} / {spread[1]:.3f}"]
        )
    formulas = [f"`{row['formula']}`" for row in next(iter(synthetic.values()))]
    return table(["market", *formulas, "mean ratio of t", "standard deviation a day"], rows)


def known_table(results: Results) -> str:
    """The same of known formulas on real panels."""
    rows = []
    for market in REAL:
        for row in results["residual known"].get(market, []):
            pairs = [[row[f"{target}{name}"] for target in TARGETS] for name in ("", "_ic", "_std")]
            t, ic, spread = pairs
            rows.append(
                [
                    f"{market}, `{row['formula']}`",
                    f"{t[0]:.1f} / {t[1]:.1f}",
                    f"{ic[0]:.3f} / {ic[1]:.3f}",
                    f"{spread[0]:.3f} / {spread[1]:.3f}",
                ]
            )
    return table(["formula", "t", "mean rank IC", "standard deviation a day"], rows)


def cost_table(results: Results) -> str:
    """What scores cost on either label."""
    rows = [
        [
            f"{float(gaps):.0%}",
            *(f"{found[target]:.2f}" for target in TARGETS),
            f"{found['residual'] / found['raw']:.2f}",
        ]
        for gaps, found in results["residual cost"].items()
    ]
    return table(["values missing", "raw", "residual", "ratio"], rows)


def size_table(results: Results) -> str:
    """Shares of useless factors that a test at 5 % calls real."""
    rows = []
    for kind in ("noise", "style"):
        parts = [market[kind] for market in results["residual size"]]
        tests = sum(part["tests"] for part in parts)
        shares = [interval(sum(part[target] for part in parts), tests) for target in TARGETS]
        rows.append([kind, f"{tests:,}", *shares])
    return table(["useless factors", "number", "raw", "residual"], rows)


def search_table(results: Results) -> str:
    """Means over seeds with 95 % Student intervals."""
    groups: dict[tuple[str, str, int, str], list[dict[str, Any]]] = {}
    for run in results["residual searches"]:
        key = (run["market"], run["searcher"], run["evaluations"], run["target"])
        groups.setdefault(key, []).append(run)
    rows = []
    for (market, searcher, evaluations, target), runs in groups.items():
        cells = [
            _mean([run.get(name) for run in runs], factor)
            for name, factor in (
                ("recovery", 1.0),
                ("delivered", 1.0),
                ("raw_rank_ic", 100.0),
                ("residual_rank_ic", 100.0),
                ("sharpe_before_costs", 1.0),
                ("sharpe", 1.0),
                ("seconds", 1.0),
            )
        ]
        name = f"{market}, {searcher}, {evaluations:,}"
        rows.append([name, target, ", ".join(str(run["seed"]) for run in runs), *cells])
    header = [
        "search",
        "target",
        "seeds",
        "recovered",
        "delivered",
        "raw rank IC on valid, times 100",
    ]
    books = ["Sharpe without styles, before costs", "after costs"]
    return table([*header, "residual, times 100", *books, "seconds of CPU"], rows)


def _mean(values: Sequence[float | None], factor: float) -> str:
    known = [factor * value for value in values if value is not None]
    if not known:
        return "-"
    if len(known) == 1:
        return f"{known[0]:.3g}"
    half = student.ppf(0.975, len(known) - 1) * np.std(known, ddof=1) / math.sqrt(len(known))
    return f"{np.mean(known):.3g} ± {half:.2g}"


SECTIONS = {
    "residual t": t_table,
    "residual known": known_table,
    "residual cost": cost_table,
    "residual size": size_table,
    "residual searches": search_table,
}


def write(results: Mapping[str, Any]) -> None:
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


def run_searches(results: dict[str, Any], asked: argparse.Namespace) -> None:
    """Those asked for, less those that are there; the two targets of a seed after each other."""
    done = results.setdefault("searches", [])
    keys = ("market", "searcher", "target", "evaluations", "seed")
    known = {tuple(run[key] for key in keys) for run in done}
    for seed in asked.seeds:
        for searcher in asked.searchers:
            for target in TARGETS:
                key = (asked.market, searcher, target, asked.evaluations, seed)
                if key not in known:
                    done.append(search(asked.market, searcher, target, asked.evaluations, seed))
                    write(results)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what `residual.json` lacks; write it and the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.residual", description=__doc__)
    parser.add_argument("--market", default="synthetic_calibrated", choices=SPECS)
    parser.add_argument("--searchers", nargs="*", default=[])
    parser.add_argument("--evaluations", type=int, default=5000)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    asked = parser.parse_args(arguments)
    results: dict[str, Any] = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    if asked.searchers:
        run_searches(results, asked)
    else:
        tables = results.setdefault("t", {})
        for market in [name for name in SPECS if name.startswith("synthetic") or name in REAL]:
            if market not in tables and there(market):
                tables[market] = t_values(market)
                write(results)
        for gaps in (0.0, 0.05):
            costs = results.setdefault("cost", {})
            if str(gaps) not in costs:
                costs[str(gaps)] = cost(gaps)
        sizes = results.setdefault("size", [])
        while len(sizes) < MARKETS:
            sizes.append(size(len(sizes)))
            write(results)
    write(results)
    shown = {f"residual {name}": found for name, found in results.items()}
    shown["residual known"] = results.get("t", {})
    write_readme(shown, HERE / "README.md", SECTIONS)


if __name__ == "__main__":
    main()
