"""What the research loop and the portfolio find: libraries by their models, arms by schedulers.

    python -m benchmarks.research --rows "rd_loop thompson" alpha158 --seeds 0 1 2
    python -m benchmarks.research --portfolio synthetic csi300 --seeds 0 1 2 3 4

Runs are added to `research.json`, one entry per row and seed; one that is there already is not
repeated.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.data.periods import TRADING_DAYS
from alphamine.data.synthetic.market import planted
from alphamine.engine.scores import daily_scores
from alphamine.evaluation.backtest import TopkDropout
from alphamine.jobs.bench import Bench
from alphamine.jobs.scorer import Scorer
from alphamine.libraries import library
from alphamine.pool.recovery import delivered
from alphamine.searchers.models import ModelSpec

from .comparisons import loaded
from .searchers import interval
from .tables import table, write_readme

HERE = Path(__file__).parent
RESULTS = HERE / "research.json"
# The published splits have their test after 2017, where this panel has most of its days.
SPLITS: Final = "valid: 2018-01-01, test: 2020-07-01"
LATER: Final = "valid: 2020-07-01"


@dataclass(frozen=True)
class Loop:
    """Settings of a run of the research loop: the models it may use, the first to begin with."""

    scheduler: str
    evaluations: int = 200
    size: int = 40
    fits: int = 10
    models: str = "ridge lightgbm"


LOOPS: Final[Mapping[str, Loop]] = {
    "rd_loop thompson": Loop("thompson"),
    "rd_loop random": Loop("random"),
    "rd_loop round_robin": Loop("round_robin"),
    # As many factors as are asked for at most: 30 % of Alpha158's.
    "rd_loop thompson, 47 factors": Loop("thompson", 800, 47, 20, "lightgbm ridge"),
}
ALPHA158: Final = {"alpha158, ridge": "ridge", "alpha158, lightgbm": "lightgbm"}
ROWS: Final = (*ALPHA158, *LOOPS)
ARMS: Final = ("genetic", "local", "mcts", "random")
PORTFOLIO_MARKETS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "synthetic": ("synthetic.yaml", {}),
    "csi300": ("cn_csi800.yaml", {"universe": "CSI300"}),
}
PORTFOLIO_EVALUATIONS: Final = (500, 2000)


def csi300(splits: str) -> Any:
    """CSI300 with the label of RD-Agent(Q): the return of a day, from the next close on."""
    changes = {SPLITS: splits} if splits != SPLITS else {}
    return loaded("cn_csi800.yaml", changes, universe="CSI300", horizon=1)


def judged(signals: Mapping[str, Any], panels: Mapping[str, Panel]) -> dict[str, Any]:
    """Rank IC and excess return with costs (a year, additive) on the valid split of each panel.

    The latter also day by day, in basis points.
    """
    found: dict[str, Any] = {}
    for name, panel in panels.items():
        sample = panel.sample("valid")
        signal = signals[name]
        daily = daily_scores(signal[: sample.panel.shape[0]], sample)
        report = am.backtest(signal, panel, TopkDropout(50, 5), split="valid", market="cn")
        excess = report.metrics["excess_return_with_cost.additive.annualized_return"]
        days = report.daily["excess_return_with_cost"]
        found |= {
            f"{name} rank_ic": float(np.nanmean(daily.rank_ic)),
            f"{name} excess": excess,
            # One line of the file.
            f"{name} excess by day": " ".join(f"{day:.1f}" for day in 1e4 * days),
        }
    return found


def of_alpha158(model: str, seed: int, panels: Mapping[str, Panel]) -> dict[str, Any]:
    """A model on Alpha158, fitted as those of libraries are; ridge has no seed."""
    began = time.process_time()
    bench = Bench(Scorer(panels["valid"]))
    schema = panels["valid"].schema
    # The panel has no vwap.
    formulas = tuple(f for f in library("alpha158").values() if {*f.fields} <= {*schema})
    settings = {} if model == "ridge" else {"seed": seed}
    fitted = bench.fitted(ModelSpec(model, settings, formulas))
    seconds = time.process_time() - began
    signals = {n: fitted.signal(am.values([*formulas], p), p.universe) for n, p in panels.items()}
    return {**judged(signals, panels), "factors": len(formulas), "model": model, "seconds": seconds}


def of_loop(loop: Loop, seed: int, panels: Mapping[str, Panel]) -> dict[str, Any]:
    """The library of a run of the research loop."""
    began = time.process_time()
    chosen = {"models": loop.models, "fits": loop.fits, "tuning": 0}
    with tempfile.TemporaryDirectory() as folder:
        run = am.search(
            panels["valid"],
            "rd_loop",
            loop.evaluations,
            seed,
            Path(folder) / "run",
            options={"scheduler": loop.scheduler, **chosen},
            pool_size=loop.size,
        )
        found, models = run.library, run.models
    seconds = time.process_time() - began
    signals = {name: found.signal(panel) for name, panel in panels.items()}
    return {
        **judged(signals, panels),
        "factors": len(found),
        "model": found.model.name,
        "fits": len(models),
        "accepted": sum(record.accepted for record in models),
        "seconds": seconds,
    }


def of_portfolio(name: str, evaluations: int, seed: int, panel: Panel) -> dict[str, Any]:
    """What a searcher's pool is worth on valid: of what is planted, or where nobody knows that."""
    options = {"arms": {arm: {} for arm in ARMS}} if name == "portfolio" else {}
    with tempfile.TemporaryDirectory() as folder:
        run = am.search(panel, name, evaluations, seed, Path(folder) / "run", options=options)
        signal = run.pool.signal(panel.sample("valid").panel)
    combined = run.record.combined
    found = {"objective": combined["train"]["numbers"]["rank_ic"]}
    if panel.name == "synthetic":
        found["delivered"] = delivered(signal, panel, planted(panel.notes), "valid")
    else:
        found["rank_ic"] = combined["valid"]["numbers"]["rank_ic"]
    return found


def research_section(results: dict[str, Any]) -> str:
    """Means over seeds."""
    columns = {
        "valid rank_ic": ("rank IC on valid, times 100", 100.0),
        "valid excess": ("excess return with costs on valid, % a year", 100.0),
        "later rank_ic": ("rank IC on later days, times 100", 100.0),
        "later excess": ("excess return with costs on later days, % a year", 100.0),
        "seconds": ("seconds of CPU", 1.0),
    }
    rows, found = [], results["research csi300"]
    for row in (row for row in ROWS if row in found):
        seeds = found[row]
        cells = [
            interval([scale * s[key] for s in seeds.values()])
            for key, (_, scale) in columns.items()
        ]
        cells += [
            _over_alpha158(found, row, f"{name} excess by day") for name in ("valid", "later")
        ]
        models = ", ".join(sorted({str(s["model"]) for s in seeds.values()}))
        factors = ", ".join(sorted({str(s["factors"]) for s in seeds.values()}))
        rows.append([row, models, factors, *cells])
    titles = [title for title, _ in columns.values()]
    titles += [f"{days}: less LightGBM on Alpha158" for days in ("valid", "later days")]
    return table(["", "model", "factors", *titles], rows)


def _over_alpha158(found: Mapping[str, Any], row: str, series: str) -> str:
    """Excess returns less the baseline's, both the mean of their seeds, % a year.

    With the 95 % interval of a mean over the days.
    """

    def daily(name: str) -> Any:
        known = [seed[series].split() for seed in found[name].values() if series in seed]
        return np.mean(np.array(known, dtype=float), axis=0) if known else None

    mine, theirs = daily(row), daily("alpha158, lightgbm")
    if row == "alpha158, lightgbm" or mine is None:
        return "-"
    less = mine - theirs
    a_year = TRADING_DAYS / 100.0
    half = 1.96 * np.std(less, ddof=1) / np.sqrt(len(less))
    return f"{a_year * np.mean(less):.1f} ± {a_year * half:.1f}"


def portfolio_section(part: str, results: dict[str, Any]) -> str:
    """Means over seeds."""
    columns = {
        "delivered": ("planted part of the label delivered on valid", 1.0),
        "rank_ic": ("pool's rank IC on valid, times 100", 100.0),
        "objective": ("pool's rank IC on train, times 100", 100.0),
    }
    found = results[part]
    shown = [k for k in columns if all(k in s for seeds in found.values() for s in seeds.values())]
    rows = [
        [name, *(interval([columns[k][1] * s[k] for s in seeds.values()]) for k in shown)]
        for name, seeds in sorted(found.items())
    ]
    return table(["", *(columns[k][0] for k in shown)], rows)


def _part(market: str, evaluations: int) -> str:
    return f"portfolio {market}, {evaluations:,}"


def _read() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    return found


def _known(part: str, row: str, seed: int) -> bool:
    return str(seed) in _read().get(part, {}).get(row, {})


def _keep(part: str, row: str, seed: int, entry: Mapping[str, Any]) -> None:
    found = _read()
    found.setdefault(part, {}).setdefault(row, {})[str(seed)] = entry
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def main() -> None:
    """Run what `research.json` lacks; write it and the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.research", description=__doc__)
    parser.add_argument("--rows", nargs="*", choices=ROWS, default=[])
    parser.add_argument("--portfolio", nargs="+", choices=PORTFOLIO_MARKETS, default=[])
    parser.add_argument("--evaluations", type=int, choices=PORTFOLIO_EVALUATIONS, default=500)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    given = parser.parse_args()
    with ExitStack() as held:
        if given.rows:
            panels = {
                "valid": held.enter_context(csi300(SPLITS)),
                "later": held.enter_context(csi300(LATER)),
            }
        for row in given.rows:
            for seed in (0,) if row == "alpha158, ridge" else given.seeds:
                if not _known("research csi300", row, seed):
                    entry = (
                        of_loop(LOOPS[row], seed, panels)
                        if row in LOOPS
                        else of_alpha158(ALPHA158[row], seed, panels)
                    )
                    _keep("research csi300", row, seed, entry)
        for market in given.portfolio:
            specification, settings = PORTFOLIO_MARKETS[market]
            panel = held.enter_context(loaded(specification, {}, **settings))
            part = _part(market, given.evaluations)
            for seed, name in product(given.seeds, (*ARMS, "portfolio")):
                if not _known(part, name, seed):
                    _keep(part, name, seed, of_portfolio(name, given.evaluations, seed, panel))
    sections = {"research csi300": research_section}
    for market, evaluations in product(PORTFOLIO_MARKETS, PORTFOLIO_EVALUATIONS):
        part = _part(market, evaluations)
        sections[part] = partial(portfolio_section, part)
    found = _read()
    tables = {name: sections[name] for name in sections if name in found}
    write_readme(found, HERE / "README.md", tables)


if __name__ == "__main__":
    main()
