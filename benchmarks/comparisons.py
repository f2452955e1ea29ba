"""Who searches, and where: rows and markets of `searchers.py`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from copy import copy
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.data.synthetic.market import planted
from alphamine.engine.scores import daily_scores
from alphamine.expression.grammar.grammar import Grammar
from alphamine.jobs.island import Island
from alphamine.jobs.opening import island_seeds
from alphamine.jobs.scorer import Scorer
from alphamine.jobs.study import Progress, Study
from alphamine.llm.base import ChatClient
from alphamine.operators import CATALOGUE, Family
from alphamine.pool.blend import Blend, blend
from alphamine.pool.combine import combine
from alphamine.pool.make import make_pool
from alphamine.pool.pool import Pool
from alphamine.pool.recovery import delivered, recovery
from alphamine.runs.budget import Budget
from alphamine.runs.store import Store
from alphamine.searchers.base import SearchContext
from alphamine.searchers.mcts.settings import MCTSSettings
from alphamine.searchers.registry import make_searcher
from alphamine.searchers.rl.settings import PRESETS

from .analyst import Analyst

ROOT = Path(__file__).parents[1]
# Members of a pool.
SIZE = 20
MARKS = (500, 1000, 2000, 3000, 5000, 8000, 10_000, 20_000, 40_000)
TIME_ONLY = {
    name: 0.0
    for name, op in CATALOGUE.items()
    if op.searchable and op.family not in (Family.ELEMENTWISE, Family.TIME_SERIES)
}

Marks = list[dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """A searcher, its settings, and what of the grammar and of the pool differs.

    `each` is what an island evaluates; without, one search has the whole budget. `client` makes the
    language model that the searcher asks.
    """

    searcher: str = "rl"
    options: Mapping[str, Any] = field(default_factory=dict)
    grammar: Mapping[str, Any] = field(default_factory=dict)
    pool: Mapping[str, Any] = field(default_factory=dict)
    each: int | None = None
    client: Callable[[], ChatClient] | None = None


def _preset(name: str) -> Row:
    """A published configuration of AlphaGen, with its pool and its reward."""
    chosen = PRESETS[name]
    return Row("rl", chosen.options, chosen.grammar, {"parity": "alphagen"})


def _alone(settings: Mapping[str, Any] | None = None, **differs: Mapping[str, Any]) -> Row:
    """The policy without children of the pool's members, and what else differs."""
    return Row("rl", {"offspring": 0, **(settings or {})}, **differs)


def _advised(**settings: Any) -> Row:
    """The tree search with the analyst's advice."""
    return Row("mcts", {"proposer": "llm", **settings}, client=Analyst)


ROWS: dict[str, Row] = {
    "random": Row("random"),
    "genetic": Row("genetic"),
    "local": Row("local"),
    "mcts": Row("mcts"),
    "mcts rules": Row("mcts", {"proposer": "rules"}),
    "mcts grammar": Row("mcts", {"proposer": "grammar"}),
    "mcts, effectiveness alone": Row("mcts", {"dimensions": False}),
    "mcts, nothing avoided": Row("mcts", {"avoided": 0}),
    "mcts, greedy": Row("mcts", {"root_exploration": 0.0}),
    "mcts, no crosses": Row("mcts", {"crossover": 0.0}),
    "mcts, any dimension": Row("mcts", {"temperature": 1000.0}),
    "mcts, any alpha": Row("mcts", {"root_exploration": 100.0}),
    "mcts, trees of a model": Row("mcts", asdict(MCTSSettings().grown(blind=False))),
    "analyst": _advised(),
    "analyst, no tree": _advised(budget=1, growth=0),
    "analyst, greedy": _advised(exploration=0.0, root_exploration=0.0),
    "analyst, greedy in trees": _advised(exploration=0.0),
    "analyst, best alpha": _advised(root_exploration=0.0),
    "analyst, effectiveness alone": _advised(dimensions=False),
    "analyst, any dimension": _advised(temperature=1000.0),
    "analyst, nothing avoided": _advised(avoided=0),
    "rl": Row(),
    "rl flow": Row("rl", {"learner": "flow"}),
    "rl flow mean": Row("rl", {"learner": "flow", "backup": "mean"}),
    "rl ppo": Row("rl", {"learner": "ppo", "encoder": "stack"}),
    "rl no policy": Row("rl", {"explore": 1.0}),
    "rl dear tokens": Row(pool={"token_price": 1.0}),
    "alone": _alone(),
    "alone, lstm": _alone({"encoder": "lstm"}),
    "alone, level": _alone({"reward": "level"}),
    "alone, single": _alone({"reward": "single"}),
    "alone, no queue": _alone({"queue_weight": 0.0}),
    "alone, no gradient": _alone({"quantile": 0.0}),
    "alone, mean of others": _alone({"quantile": 1.0}),
    "alone, greedy baseline": _alone({"quantile": 1.0, "baseline": "greedy"}),
    "alone, entropy 0.03": _alone({"entropy": 0.03}),
    "alone, no prior": _alone({"prior": False}),
    "alone, no units": _alone(grammar={"units": False}),
    "alone, time only": _alone(grammar={"weights": TIME_ONLY}),
    "alone, free tokens": _alone(pool={"token_price": 0.0}),
    "random free tokens": Row("random", pool={"token_price": 0.0}),
    "kdd23": _preset("kdd23"),
    "fcs": _preset("fcs"),
}

ISLANDS: dict[str, Row] = {
    f"{name}, islands of {each:,}": replace(ROWS[name], each=each)
    for name in ("random", "genetic", "local", "mcts", "rl")
    for each in (1000, 2000, 2500, 5000, 10_000)
}


@dataclass(frozen=True)
class Market:
    """Where is searched.

    Attributes
    ----------
    scorer : Scorer
    measure : callable
        What a pool, or what islands have come to, has found, by name.
    signal : str
        Of these measures the one that depends on the weights.
    """

    scorer: Scorer
    measure: Callable[[Pool | Blend], dict[str, float]]
    signal: str


@contextmanager
def loaded(name: str, changes: Mapping[str, str], **settings: Any) -> Iterator[Panel]:
    """The searchable part of a shipped dataset, of whose specification some lines are changed."""
    text = (ROOT / "data_specs" / name).read_text("utf-8")
    text = text.replace("../../shared/data", str(ROOT.parent / "shared/data"))
    for line, other in changes.items():
        assert line in text, line
        text = text.replace(line, other)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text, "utf-8")
        yield am.load(path, **settings).without_test()


@contextmanager
def synthetic(seed: int = 0) -> Iterator[Market]:
    """The embedded market, whose truth is known, or one like it from another seed."""
    with loaded("synthetic.yaml", {"  seed: 0": f"  seed: {seed}"}) as panel:
        yield _known(panel)


def _known(panel: Panel) -> Market:
    truth = planted(panel.notes)

    def measure(pool: Pool | Blend) -> dict[str, float]:
        formulas = [member.formula for member in pool.members]
        known = recovery(formulas, panel, truth)
        return {
            "recovery": known.share,
            "nearest": float(np.mean(known.correlations)),
            "delivered": delivered(_signal(pool, panel.sample("valid").panel), panel, truth),
        }

    return Market(Scorer(panel, panel.sample(), threads=1), measure, "delivered")


@contextmanager
def csi300() -> Iterator[Market]:
    """CSI300 as AlphaGen has it: labels of 20 days, train 2010 to 2018, valid 2019.

    But who buys does so a day after the signal, and each split ends before its labels reach the
    next one.
    """
    splits = {"valid: 2018-01-01, test: 2020-07-01": "valid: 2019-01-01, test: 2020-01-01"}
    with loaded("cn_csi800.yaml", splits, universe="CSI300", horizon=20) as panel:
        yield _real(panel)


@contextmanager
def shipped(name: str, universe: str) -> Iterator[Market]:
    """A real panel with the splits and the five-day labels of its specification."""
    with loaded(f"{name}.yaml", {}, universe=universe) as panel:
        yield _real(panel)


def _real(panel: Panel) -> Market:
    scorer = Scorer(panel, panel.sample(), threads=1)
    return Market(scorer, lambda pool: _combined(pool, panel), "rank_ic")


MARKETS: Mapping[str, Callable[[], AbstractContextManager[Market]]] = {
    "synthetic": synthetic,
    "market 11": partial(synthetic, 11),
    "market 12": partial(synthetic, 12),
    "csi300": csi300,
    "China": partial(shipped, "cn_csi800", "CSI300"),
    "United States": partial(shipped, "us_1500", "SP500"),
    "India": partial(shipped, "in_nse", "ADV500"),
}


def _combined(pool: Pool | Blend, panel: Panel) -> dict[str, float]:
    """Of the daily ICs and rank ICs on valid of the members with their weights."""
    valid = panel.sample("valid")
    daily = daily_scores(_signal(pool, valid.panel), valid)
    rank_ic = float(np.nanmean(daily.rank_ic))
    return {
        "ic": float(np.nanmean(daily.ic)),
        "rank_ic": rank_ic,
        "rank_icir": rank_ic / float(np.nanstd(daily.rank_ic, ddof=1)),
    }


def _signal(pool: Pool | Blend, panel: Panel) -> Any:
    """The members with their weights, (T, N)."""
    values = am.values([member.formula for member in pool.members], panel)
    return combine(values, [member.weight for member in pool.members], panel.universe)


class Clock:
    """A searcher whose time is taken."""

    def __init__(self, searcher: Any) -> None:
        self._searcher = searcher
        self.seconds = {"ask": 0.0, "tell": 0.0}

    def ask(self, n: int) -> Any:
        began = time.process_time()
        found = self._searcher.ask(n)
        self.seconds["ask"] += time.process_time() - began
        return found

    def tell(self, *told: Any) -> None:
        began = time.process_time()
        self._searcher.tell(*told)
        self.seconds["tell"] += time.process_time() - began


def compare(
    market: Market, row: Row, seed: int, evaluations: int, keep: Callable[[Marks], None]
) -> None:
    """One search; `keep` is given what it had found at each mark.

    Islands are measured at the end only: at each mark those that come first and have evaluated so
    much among them.
    """
    scorer = market.scorer
    language = Grammar.for_panel(scorer.panel.schema, **{"max_lookback": 120, **row.grammar})
    limit = 0.99 if "parity" in row.pool else 0.7
    empty = make_pool(scorer.train, SIZE, limit, **row.pool)
    count = 1 if row.each is None else max(evaluations // row.each, 1)
    client = None if row.client is None else row.client()
    services = {} if client is None else {"llm": client}
    context = SearchContext(language, seed, services=services)
    searchers = [
        Clock(make_searcher(row.searcher, replace(context, seed=own), row.options))
        for own in island_seeds(seed, count)
    ]
    islands = [Island(searcher, copy(empty)) for searcher in searchers]
    marks, found = list(MARKS), []
    began, measuring = time.process_time(), 0.0

    def times() -> dict[str, float]:
        spent = {part: sum(s.seconds[part] for s in searchers) for part in ("ask", "tell")}
        return {"seconds": time.process_time() - began - measuring, **spent}

    def observe(progress: Progress) -> None:
        nonlocal measuring
        if row.each is None and marks and progress.evaluated >= marks[0]:
            spent, pool = times(), islands[0].pool
            now = time.process_time()
            known = {**market.measure(pool), "objective": pool.score, **spent}
            if client is not None:
                known["calls"] = client.usage().calls
            found.append({"evaluations": marks.pop(0), **known})
            keep(found)
            measuring += time.process_time() - now

    with tempfile.TemporaryDirectory() as folder, closing(Store.create(Path(folder), {})) as store:
        Study(islands, scorer, store, 32).run(Budget(evaluations), observe)
    if row.each is not None:
        spent = times()
        pools = [island.pool for island in islands]
        for mark in MARKS:
            if mark % row.each == 0 and mark <= evaluations:
                found.append({"evaluations": mark, **_together(market, pools[: mark // row.each])})
        found[-1].update(spent)
        keep(found)


def _together(market: Market, pools: Sequence[Pool]) -> dict[str, float]:
    """What islands have found, distilled, and what the average of their signals is worth."""
    average = market.measure(blend(pools))[market.signal]
    return {**market.measure(blend(pools, SIZE)), "average": average}
