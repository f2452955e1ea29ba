"""An analyst's knowledge behind the interface of a language model: what good advice is worth.

Forty refinements, eight for each dimension, and two ideas to begin with for each theme, as the
literature has them: reversal and its conditioning on volume (Campbell, Grossman and Wang 1993),
momentum that skips the last days (Jegadeesh and Titman 1993), the range and its place of the close
(Garman and Klass 1980; Parkinson 1980), impact (Amihud 2002), extremes (George and Hwang 2004),
lottery demand (Bali, Cakici and Whitelaw 2011), divergence of price and volume (Kakushadze 2016,
"101 formulaic alphas", in general, none of them copied), decay and ranks against turnover and
outliers (Grinold and Kahn; Tulchinsky, "Finding Alphas"). None was written from what the embedded
market has planted, or changed for what it found.

Like a person it knows nothing of the panel but the words that it is given, and is sometimes told
that an idea does not fit; then it has another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import numpy as np

from alphamine.errors import FormulaError
from alphamine.expression.nodes import Call, Node, call
from alphamine.expression.text.parser import parse
from alphamine.llm.base import ChatAnswer, ChatRequest, Usage

CONVENTIONAL = (5, 10, 20, 40, 60)
# F is the formula that is to be refined.
IDEAS: Mapping[str, Mapping[str, str]] = {
    "effectiveness": {
        "weigh it by abnormal volume": "F * (volume / ts_mean(volume, w1))",
        "what is new in it, not its level": "F - ts_mean(F, w1)",
        "its change": "ts_delta(F, w1)",
        "only where volume has risen": "rank(F) * rank(ts_delta(volume, w1))",
        "against the reversal of the last days": "rank(F) - rank(ts_returns(close, w1))",
        "with the pressure at the close": "rank(F) + rank((high - close) / (high - low))",
        "its agreement with volume": "ts_corr(F, volume, w1)",
        "by how calm the stock is": "F / ts_std_dev(ts_returns(close, 1), w1)",
    },
    "stability": {
        "against its own past": "ts_zscore(F, w1)",
        "its rank in its own past": "ts_rank(F, w1)",
        "in units of its own risk": "F / ts_std_dev(F, w1)",
        "ranks of the day, without outliers": "rank(F)",
        "ranks, recent days first": "ts_decay_linear(rank(F), w1)",
        "two horizons together": "ts_mean(F, 5) + ts_mean(F, w1)",
        "its median": "ts_median(F, w1)",
        "standardised by day": "zscore(F)",
    },
    "turnover": {
        "its mean": "ts_mean(F, w1)",
        "fading": "ts_decay_linear(F, w1)",
        "a long rank": "ts_rank(F, 60)",
        "the mean of its ranks": "ts_mean(rank(F), w1)",
        "its median": "ts_median(F, w1)",
        "today's and an earlier one": "F + ts_delay(F, w1)",
        "longer horizons": "longer",
        "the longest horizon longer": "longest",
    },
    "diversity": {
        "by the average price": "close>vwap",
        "by the high": "close>high",
        "by the low": "close>low",
        "by the open": "close>open",
        "its agreement with volume in ranks": "ts_corr(rank(F), rank(volume), w1)",
        "how restless it is": "ts_std_dev(F, w1)",
        "how long ago it was highest": "ts_arg_max(F, w1)",
        "shorter horizons": "shorter",
    },
    "overfitting": {
        "without its outermost step": "inner",
        "without its second part": "first",
        "without its first part": "last",
        "conventional windows": "plain",
        "equal windows": "equal",
        "a mean instead of a weighting": "ts_decay_linear>ts_mean",
        "a rank instead of a score": "zscore>rank",
        "one rank of the core": "core",
    },
}
BEGINNINGS: Mapping[str, tuple[str, ...]] = {
    "short-term reversal": (
        "ts_returns(close, w1)",
        "close / ts_mean(close, w1)",
    ),
    "momentum over weeks": (
        "ts_delay(ts_returns(close, w1), 5)",
        "ts_rank(close, w1)",
    ),
    "abnormal volume": (
        "volume / ts_mean(volume, w1)",
        "ts_zscore(volume, w1)",
    ),
    "liquidity and price impact": (
        "ts_mean(abs(ts_returns(close, 1)) / volume, w1)",
        "rank(ts_mean(volume, w1)) * rank(close)",
    ),
    "volatility and its changes": (
        "ts_std_dev(ts_returns(close, 1), w1)",
        "ts_max(ts_returns(close, 1), w1)",
    ),
    "intraday price pressure (open, close, high, low, vwap)": (
        "(close - low) / (high - low)",
        "ts_mean(close / vwap, w1)",
    ),
    "agreement or divergence of price and volume": (
        "ts_corr(rank(close), rank(volume), w1)",
        "ts_corr(ts_returns(close, 1), volume, w1)",
    ),
    "distance from recent extremes": (
        "close / ts_max(high, w1)",
        "close / ts_min(low, w1)",
    ),
}


class Analyst:
    """A client without a server: it reads the prompts, and answers by what it knows."""

    model, strong = "analyst", ""
    temperature: float | None = None
    max_tokens = 2048
    repeatable, replays = True, False

    def __init__(self) -> None:
        self._calls = 0

    def ask(self, request: ChatRequest) -> ChatAnswer:
        """As a language model would answer."""
        self._calls += 1
        rng = np.random.default_rng(list(request.digest.encode()))
        text = request.messages[1].content
        refined = re.search(r"^Refine this formula: (.*)$", text, re.MULTILINE)
        if refined is None:
            found = self._beginnings(text, rng)
        else:
            found = self._refinements(refined[1], text, rng)
        asked = re.search(r"Propose (\d+) (?:new|refinement)", text)
        count = 2 if asked is None else int(asked[1])
        answer = {"diagnosis": "", "proposals": found[:count]}
        return ChatAnswer(json.dumps(answer), self.model, Usage(1))

    def usage(self) -> Usage:
        return Usage(self._calls)

    def _beginnings(self, text: str, rng: np.random.Generator) -> list[dict[str, Any]]:
        themes = [theme for theme in BEGINNINGS if f"theme: {theme}." in text]
        offered = [formula for theme in themes for formula in BEGINNINGS[theme]]
        return [
            _proposal(themes[0], offered[i], rng) for i in rng.permutation(len(offered)).tolist()
        ]

    def _refinements(self, text: str, asked: str, rng: np.random.Generator) -> list[dict[str, Any]]:
        formula = parse(text)
        wanted = re.search(r"^Improve its score for (\w+):", asked, re.MULTILINE)
        ideas = [] if wanted is None else list(IDEAS[wanted[1]].items())
        order = (ideas[i] for i in rng.permutation(len(ideas)).tolist())
        made = ((name, _applied(idea, text, formula)) for name, idea in order)
        fitting = ((name, new) for name, new in made if new is not None and new != text)
        return [_proposal(name, new, rng) for name, new in islice(fitting, 4)]


def _proposal(name: str, formula: str, rng: np.random.Generator) -> dict[str, Any]:
    """With one or two of the conventional windows."""
    chosen = rng.choice(CONVENTIONAL, 2, replace=False)
    sets = [{"w1": int(window), "w2": None, "w3": None} for window in chosen]
    sets = sets if re.search(r"\bw1\b", formula) else []
    return {"name": name, "rationale": name, "formula": formula, "param_sets": sets}


def _applied(idea: str, text: str, formula: Node) -> str | None:
    """The idea's formula; None where there is nothing to apply it to."""
    if re.search(r"\bF\b", idea):
        return re.sub(r"\bF\b", lambda _: f"({text})", idea)
    if ">" in idea:
        old, new = idea.split(">")
        return re.sub(rf"\b{old}\b", new, text)
    try:
        return SHAPES[idea](formula)
    except FormulaError:
        return None


def _inner(formula: Node) -> str | None:
    parts = [p for p in formula.inputs if isinstance(p, Call)] if isinstance(formula, Call) else []
    return str(parts[0]) if parts else None


def _side(place: int) -> Callable[[Node], str | None]:
    """One operand of the first call that has two, counted from the outside."""

    def side(formula: Node) -> str | None:
        pairs = (p.inputs for p in formula.walk() if isinstance(p, Call) and len(p.inputs) == 2)
        found = next(pairs, None)
        return str(found[place]) if found and isinstance(found[place], Call) else None

    return side


def _core(formula: Node) -> str | None:
    """The rank of what the outer steps with one input were made of."""
    node = formula
    while isinstance(node, Call) and len(node.inputs) == 1:
        node = node.inputs[0]
    return f"rank({node})" if isinstance(node, Call) else None


def _windows(change: Callable[[int, int], float]) -> Callable[[Node], str | None]:
    """Every window changed, given it and the longest one, to the nearest conventional one."""

    def changed(formula: Node) -> str | None:
        every = [w for p in formula.walk() if (w := _window(p)) is not None]
        if not every:
            return None

        def rebuilt(node: Node) -> Node:
            if not isinstance(node, Call):
                return node
            below, params = [rebuilt(part) for part in node.inputs], list(node.params)
            if (window := _window(node)) is not None:
                wanted = change(window, max(every))
                near = min(CONVENTIONAL, key=lambda d: abs(np.log(d / wanted)))
                params[node.operator.window or 0] = window if wanted == window else near
            return call(node.operator, *below, *params)

        return str(rebuilt(formula))

    return changed


def _window(node: Node) -> int | None:
    if not isinstance(node, Call) or node.operator.window is None:
        return None
    return int(node.params[node.operator.window])


SHAPES: Mapping[str, Callable[[Node], str | None]] = {
    "longer": _windows(lambda window, longest: 2.0 * window),
    "longest": _windows(lambda window, longest: window * (2.0 if window == longest else 1.0)),
    "shorter": _windows(lambda window, longest: 0.5 * window),
    "plain": _windows(lambda window, longest: window + 1e-9),
    "equal": _windows(lambda window, longest: longest + 1e-9),
    "inner": _inner,
    "first": _side(0),
    "last": _side(1),
    "core": _core,
}
