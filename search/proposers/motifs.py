"""Kinds of edits by the dimension that they serve: typed rewrites with a reason in words.

Each takes a grammar, a generator, a formula and a donor, as a `Variation` does, and returns another
formula or None if it finds no place. What it returns has still to be checked against the grammar.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from alphamine.errors import FormulaError
from alphamine.expression.grammar.edits import points, replace_at, retuned, tunable
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Call, Constant, Field, Node, call, with_inputs
from alphamine.operators import Kind, get
from alphamine.searchers.variation import EDITS as VARIED
from alphamine.searchers.variation import RATES, Variation

from .base import usable

_SHIFTS: Final = ("ts_delta", "ts_delay", "ts_returns")
_SMOOTHERS: Final = ("ts_mean", "ts_decay_linear")
_CONVENTIONAL: Final = (5, 10, 20, 60)


@dataclass(frozen=True, slots=True)
class Motif:
    """A kind of edit.

    Attributes
    ----------
    name : str
    edit : Variation
    reason : str
        Why it should help.
    success : float
        Share of tries by which a pool gains, as far as is known before a search.
    """

    name: str
    edit: Variation
    reason: str
    success: float = 0.02


def _made(
    grammar: Grammar, rng: np.random.Generator, names: Sequence[str], *inputs: Node, least: int = 0
) -> Node | None:
    """One of some operators on inputs, in a window of at least so many rows if it takes one."""
    choices: list[tuple[str, int | None]] = []
    for name in names:
        if not usable(grammar, name):
            continue
        op = get(name)
        windows = [d for d in grammar.windows_of(op) if d >= least]
        choices += [(name, d) for d in windows] if op.window is not None else [(name, None)]
    if not choices:
        return None
    name, window = choices[int(rng.random() * len(choices))]
    try:
        return call(name, *inputs) if window is None else call(name, *inputs, window)
    except FormulaError:
        return None


def _calls(formula: Node) -> Iterator[tuple[tuple[int, ...], Call]]:
    """Calls and the paths to them, from the root down."""
    stack: list[tuple[tuple[int, ...], Node]] = [((), formula)]
    while stack:
        path, node = stack.pop(0)
        if isinstance(node, Call):
            yield path, node
            stack += [((*path, i), child) for i, child in enumerate(node.inputs)]


def _at(formula: Node, path: tuple[int, ...], new: Node | None) -> Node | None:
    try:
        return None if new is None else replace_at(formula, path, new)
    except FormulaError:
        return None


def _resized(grammar: Grammar, node: Call, longer: bool) -> Node | None:
    """The call with the grammar's next longer, or next shorter, window."""
    place = node.operator.window
    if place is None:
        return None
    now = int(node.params[place])
    windows = grammar.windows_of(node.operator)
    others = [d for d in windows if (d > now if longer else d < now)]
    if not others:
        return None
    other = min(others) if longer else max(others)
    return call(node.operator, *node.inputs, *node.params[:place], other, *node.params[place + 1 :])


def smooth(grammar: Grammar, rng: np.random.Generator, formula: Node, donor: Node) -> Node | None:
    """An average over time around the whole."""
    return _made(grammar, rng, _SMOOTHERS, formula)


def lengthen(grammar: Grammar, rng: np.random.Generator, formula: Node, donor: Node) -> Node | None:
    """The next longer window in the outermost call that has one."""
    for path, node in _calls(formula):
        if (longer := _resized(grammar, node, longer=True)) is not None:
            return _at(formula, path, longer)
    return None


def slow_change(
    grammar: Grammar, rng: np.random.Generator, formula: Node, donor: Node
) -> Node | None:
    """A longer lag of a difference."""
    shifts = [(p, n) for p, n in _calls(formula) if n.operator.name in _SHIFTS]
    if not shifts:
        return None
    path, node = shifts[int(rng.random() * len(shifts))]
    return _at(formula, path, _resized(grammar, node, longer=True))


def rank_in_time(
    grammar: Grammar, rng: np.random.Generator, formula: Node, donor: Node
) -> Node | None:
    """The whole as a rank, or a score, within its own past."""
    return _made(grammar, rng, ("ts_zscore", "ts_rank"), formula, least=10)


def scale_by_risk(
    grammar: Grammar, rng: np.random.Generator, formula: Node, donor: Node
) -> Node | None:
    """The whole divided by its own volatility."""
    risk = _made(grammar, rng, ("ts_std_dev",), formula, least=10)
    return None if risk is None else _made(grammar, rng, ("divide",), formula, risk)


def two_horizons(
    grammar: Grammar, rng: np.random.Generator, formula: Node, donor: Node
) -> Node | None:
    """The sum of a formula at two horizons."""
    other = lengthen(grammar, rng, formula, donor)
    return None if other is None else _made(grammar, rng, ("add",), formula, other)


def robust(grammar: Grammar, rng: np.random.Generator, formula: Node, donor: Node) -> Node | None:
    """A median instead of a mean, or the rank of the whole."""
    if usable(grammar, "ts_median"):
        for path, node in _calls(formula):
            if node.operator.name == "ts_mean":
                return _at(formula, path, call("ts_median", *node.inputs, *node.params))
    return _made(grammar, rng, ("rank",), formula)


def on_volume(
    grammar: Grammar, rng: np.random.Generator, formula: Node, donor: Node
) -> Node | None:
    """The whole weighted by abnormal volume."""
    fields = [f.node for f in grammar.fields if f.name in ("volume", "amount")]
    if not fields:
        return None
    field = fields[int(rng.random() * len(fields))]
    usual = _made(grammar, rng, ("ts_mean",), field, least=5)
    share = None if usual is None else _made(grammar, rng, ("divide",), field, usual)
    return None if share is None else _made(grammar, rng, ("multiply",), formula, share)


def against_usual(
    grammar: Grammar, rng: np.random.Generator, formula: Node, donor: Node
) -> Node | None:
    """The change of a field, or its distance from its mean, instead of its level."""
    found = [p for p in points(grammar, formula) if isinstance(p.node, Field)]
    found = [p for p in found if p.node.kind is Kind.NUMBER]
    if not found:
        return None
    point = found[int(rng.random() * len(found))]
    made = _made(grammar, rng, ("ts_delta", "ts_av_diff", "ts_zscore"), point.node)
    return _at(formula, point.path, made)


def graft(grammar: Grammar, rng: np.random.Generator, formula: Node, donor: Node) -> Node | None:
    """The sum of two alphas, each as a rank of the day."""
    ranks = [_made(grammar, rng, ("rank",), node) for node in (formula, donor)]
    if donor is formula or ranks[0] is None or ranks[1] is None:
        return None
    return _made(grammar, rng, ("add", "multiply"), ranks[0], ranks[1])


def other_window(
    grammar: Grammar, rng: np.random.Generator, formula: Node, donor: Node
) -> Node | None:
    """Another window in one place."""
    found = [p for p in points(grammar, formula) if tunable(grammar, p.node)]
    if not found:
        return None
    point = found[int(rng.random() * len(found))]
    offered = retuned(grammar, point.node)
    return _at(formula, point.path, offered[int(rng.random() * len(offered))])


def other_horizon(
    grammar: Grammar, rng: np.random.Generator, formula: Node, donor: Node
) -> Node | None:
    """Every window one step longer, or one step shorter."""
    return rescaled(grammar, formula, bool(rng.random() < 0.5))


def rescaled(grammar: Grammar, formula: Node, longer: bool) -> Node:
    """A formula with every window at the grammar's next longer, or next shorter, one."""
    if not isinstance(formula, Call):
        return formula
    again = with_inputs(formula, [rescaled(grammar, part, longer) for part in formula.inputs])
    other = _resized(grammar, again, longer) if isinstance(again, Call) else None
    return again if other is None else other


def within_group(
    grammar: Grammar, rng: np.random.Generator, formula: Node, donor: Node
) -> Node | None:
    """The whole compared within a group of stocks."""
    groups = [f.node for f in grammar.fields if f.kind is Kind.GROUP]
    if not groups:
        return None
    group = groups[int(rng.random() * len(groups))]
    return _made(grammar, rng, ("group_neutralize", "group_rank"), formula, group)


def unwrap(grammar: Grammar, rng: np.random.Generator, formula: Node, donor: Node) -> Node | None:
    """One operand of a call in place of the call."""
    found = [
        (path, part)
        for path, node in _calls(formula)
        for part in node.inputs
        if part.kind is node.kind and not isinstance(part, Constant | Field)
    ]
    if not found:
        return None
    path, part = found[int(rng.random() * len(found))]
    return _at(formula, path, part)


def plain_windows(
    grammar: Grammar, rng: np.random.Generator, formula: Node, donor: Node
) -> Node | None:
    """Every window at the nearest of 5, 10, 20 and 60 rows."""

    def plain(node: Node) -> Node:
        if not isinstance(node, Call):
            return node
        again = with_inputs(node, [plain(child) for child in node.inputs])
        place = again.operator.window
        if place is None:
            return again
        offered = set(grammar.windows_of(again.operator)) & set(_CONVENTIONAL)
        if not offered:
            return again
        near = min(sorted(offered), key=lambda d: abs(np.log(d / int(again.params[place]))))
        params = (*again.params[:place], near, *again.params[place + 1 :])
        return call(again.operator, *again.inputs, *params)

    return plain(formula)


RULES: Final[Mapping[str, tuple[Motif, ...]]] = MappingProxyType(
    {
        "turnover": (
            Motif("smooth", smooth, "an average over time trades less"),
            Motif("lengthen", lengthen, "a longer outer window changes its mind less often"),
            Motif("slow_change", slow_change, "a change over more days reverses less often"),
        ),
        "stability": (
            Motif("rank_in_time", rank_in_time, "what is compared with its own past has no drift"),
            Motif("scale_by_risk", scale_by_risk, "without volatility, calm counts as storm does"),
            Motif("two_horizons", two_horizons, "two horizons are seldom wrong together"),
            Motif("robust", robust, "medians and ranks do not follow outliers"),
        ),
        "effectiveness": (
            Motif("on_volume", on_volume, "a signal on abnormal volume carries more information"),
            Motif("against_usual", against_usual, "news is in the change, not in the level"),
            Motif("graft", graft, "an effective alpha adds what this one does not know"),
            Motif("other_window", other_window, "the horizon may be another one"),
        ),
        "diversity": (
            Motif("swap", VARIED["swap"], "other inputs see something else"),
            Motif("subtree", VARIED["subtree"], "a part that others share makes room"),
            Motif("other_horizon", other_horizon, "another horizon is another effect"),
            Motif("within_group", within_group, "what a whole group shares is left out"),
        ),
        "overfitting": (
            Motif("unwrap", unwrap, "what a part does not need, it does better without"),
            Motif("hoist", VARIED["hoist"], "a simpler formula has less to be wrong about"),
            Motif("plain_windows", plain_windows, "conventional windows are not tuned to the past"),
        ),
    }
)

# Their rates are to each other as their successes, of which a fifth is the scale.
EDITS: Final = tuple(
    Motif(name, VARIED[name], f"an edit at random: {name}", rate / 5.0)
    for name, rate in RATES.items()
)
EVERY: Final[Mapping[str, Motif]] = MappingProxyType(
    {m.name: m for m in (*EDITS, *(motif for motifs in RULES.values() for motif in motifs))}
)
