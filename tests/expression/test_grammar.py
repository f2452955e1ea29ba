"""The grammar yields valid formulas only, from above and token by token."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest

from alphamine.errors import SearchError
from alphamine.expression import ops
from alphamine.expression.canonical import canonicalise
from alphamine.expression.fields import FieldInfo
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.grammar.prefix import Prefix
from alphamine.expression.grammar.productions import Types
from alphamine.expression.nodes import Call, Constant, Field, Node, field
from alphamine.expression.portable import from_data, to_data
from alphamine.operators import CATALOGUE, Kind, Operator
from alphamine.operators.types import PRICE, VOLUME

FULL = ("open", "high", "low", "close", "volume", "amount", "returns", "trades", "sector")


def assert_valid(grammar: Grammar, formula: Node) -> None:
    """The promises of the grammar, checked from the tree itself."""
    names = {f.name for f in grammar.fields}
    tokens = sum(1 for _ in _tree(formula)) + sum(_has_window(n) for n in _tree(formula))
    assert formula.kind is Kind.NUMBER
    assert tokens <= grammar.max_length
    assert _levels(formula) <= grammar.max_depth
    assert formula.lookback <= grammar.max_lookback
    assert formula.fields
    assert formula.fields <= names
    if grammar.units:
        assert formula.unit_problems == ()
    for node in formula.walk():
        if isinstance(node, Call):
            assert not all(isinstance(child, Constant) for child in node.inputs)
            assert len(set(node.inputs)) == len(node.inputs)
            # No operator reaches forward: look-back is never negative.
            assert node.operator.lookback(node.params) >= 0
    assert canonicalise(formula) is formula
    assert grammar.problem(formula) is None


def _tree(node: Node) -> list[Node]:
    return [node, *(n for child in node.inputs for n in _tree(child))]


def _has_window(node: Node) -> bool:
    return isinstance(node, Call) and any(p.kind == "window" for p in node.operator.params)


def _levels(node: Node) -> int:
    own = 0 if isinstance(node, Call) and node.operator.name == "reverse" else 1
    return own + max((_levels(child) for child in node.inputs), default=0)


def walk(grammar: Grammar, rng: np.random.Generator) -> Prefix:
    """Random tokens from the mask until the formula ends."""
    prefix = grammar.start()
    while not prefix.done:
        choices = np.flatnonzero(prefix.mask)
        assert len(choices) > 0, f"dead end at {prefix}"
        prefix = prefix.push(int(rng.choice(choices)))
    return prefix


@pytest.mark.parametrize(
    "settings",
    [
        {"fields": FULL},
        {"fields": FULL, "units": False},
        {"fields": FULL, "max_length": 30, "max_depth": 4, "max_lookback": 25},
        {"fields": ("close", "volume"), "max_length": 3},
        {"fields": ("close", "odd"), "operators": ["add", "rank", "ts_mean", "less", "if_else"]},
        {"fields": ("close", "open"), "operators": ["ts_corr", "ts_mean", "subtract"]},
    ],
    ids=["default", "no units", "tight", "tiny", "unknown unit", "poor"],
)
def test_all_samples_are_valid(settings: dict[str, object]) -> None:
    grammar = Grammar(**settings)  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    for _ in range(10_000 if settings == {"fields": FULL} else 1000):
        assert_valid(grammar, grammar.sample(rng))


@pytest.mark.parametrize(
    ("settings", "walks"),
    [
        ({"fields": FULL, "max_length": 8}, 400),
        ({"fields": FULL, "max_depth": 4, "max_lookback": 25}, 60),
        (
            {
                "fields": ("close", "volume"),
                "operators": ["ts_corr", "rank", "ts_mean", "add"],
                "max_length": 12,
                "max_lookback": 40,
            },
            1000,
        ),
        ({"fields": ("close", "volume", "sector"), "units": False, "max_length": 9}, 300),
    ],
)
def test_walks_never_dead_end(settings: dict[str, object], walks: int) -> None:
    grammar = Grammar(**settings)  # type: ignore[arg-type]
    rng = np.random.default_rng(1)
    for _ in range(walks):
        assert_valid(grammar, walk(grammar, rng).formula)


@pytest.mark.slow
def test_ten_thousand_walks_never_dead_end() -> None:
    grammar = Grammar(fields=FULL, max_length=10)
    rng = np.random.default_rng(2)
    for _ in range(10_000):
        assert_valid(grammar, walk(grammar, rng).formula)


def tokens_of(grammar: Grammar, node: Node) -> list[str]:
    """Reverse Polish tokens of a formula, written here independently of the grammar."""
    if isinstance(node, Field | Constant):
        return [str(node)]
    assert isinstance(node, Call)
    found = [token for child in node.inputs for token in tokens_of(grammar, child)]
    place = node.operator.window
    if place is not None:
        found.append(f"{node.params[place]}d")
    literals = [str(v) for i, v in enumerate(node.params) if i != place]
    return [
        *found,
        f"{node.operator.name}({', '.join(literals)})" if literals else node.operator.name,
    ]


def test_what_is_drawn_can_be_spelt() -> None:
    grammar = Grammar(fields=FULL, max_length=10)
    rng = np.random.default_rng(3)
    spelt = 0
    known = set(grammar.vocabulary.numbers)
    for _ in range(150):
        formula = grammar.sample(rng)
        tokens = tokens_of(grammar, formula)
        if not set(tokens) <= known:
            continue  # merged delays may have a window that is no token
        prefix = grammar.start()
        for token in tokens:
            prefix = prefix.push(token)
        assert prefix.push("end").formula is formula
        spelt += 1
    assert spelt > 120


def test_the_mask_is_exact_on_a_grammar_that_can_be_listed() -> None:
    """Against all strings of tokens: a prefix is allowed iff some valid string begins with it."""
    grammar = Grammar(
        fields=("close", "volume"),
        operators=["multiply", "rank", "ts_corr"],
        windows=(5,),
        constants=(),
        max_length=5,
        max_depth=3,
        max_lookback=4,
        units=False,
    )
    names = [str(t) for t in grammar.tokens]
    assert set(names) == {"multiply", "rank", "ts_corr", "close", "volume", "5d", "end"}
    allowed: set[tuple[str, ...]] = set()
    stack = [((), grammar.start())]
    while stack:
        spelling, prefix = stack.pop()
        if prefix.done:
            allowed.add(spelling)
        stack += [((*spelling, str(t)), prefix.push(str(t))) for t in prefix.allowed()]
    expected = {
        (*tokens, "end")
        for length in range(1, 6)
        for tokens in itertools.product(sorted(set(names) - {"end"}), repeat=length)
        if _evaluates(tokens)
    }
    assert allowed == expected


def _evaluates(tokens: tuple[str, ...]) -> bool:
    """A reverse Polish machine of its own: one number, depth 3, look-back 4, no twins."""
    stack: list[tuple[str, int, int]] = []
    window = False
    for token in tokens:
        if window and token != "ts_corr":
            return False
        arity = {"multiply": 2, "ts_corr": 2, "rank": 1, "5d": 0}.get(token)
        if token == "5d":
            window = True
        elif arity is None:
            stack.append((token, 1, 0))
        else:
            if len(stack) < arity or (token == "ts_corr") != window:
                return False
            taken = stack[-arity:]
            if len({t[0] for t in taken}) < arity:
                return False
            del stack[-arity:]
            name = f"{token}({', '.join(sorted(t[0] for t in taken))})"
            if name.startswith("rank(rank"):
                name = name[5:-1]
            back = max(t[2] for t in taken) + 4 * window
            stack.append((name, 1 + max(t[1] for t in taken), back))
            if stack[-1][1] > 3 or back > 4:
                return False
            window = False
    return len(stack) == 1 and not window


def test_units_are_kept_apart() -> None:
    grammar = Grammar(fields=("close", "volume"))
    close, volume = field("close", unit=PRICE), field("volume", unit=VOLUME)
    assert "add takes no" in str(grammar.problem(canonicalise(close + volume)))
    assert grammar.problem(canonicalise(ops.rank(close) + ops.rank(volume))) is None
    assert "add takes no" in str(grammar.problem(close + 1))
    prefix = grammar.start().push("close").push("volume")
    assert not {"add", "subtract", "max", "less"} & {str(t) for t in prefix.allowed()}
    assert {"multiply", "divide"} <= {str(t) for t in prefix.allowed()}


def test_problems_are_named() -> None:
    grammar = Grammar(fields=("close", "open"), max_length=8, max_depth=3, max_lookback=10)
    close, open_ = field("close", unit=PRICE), field("open", unit=PRICE)
    for formula, law in [
        (ops.ts_mean(close, 20), "look-back"),
        (ops.rank(ops.rank(ops.abs_(ops.ts_rank(close, 3)))), "levels"),
        (close < open_, "boolean"),
        (field("volume", unit=VOLUME), "unknown fields: volume"),
        (close / (close + close), "itself"),
    ]:
        assert law in str(grammar.problem(formula))


def test_groups_only_where_the_panel_has_them() -> None:
    rng = np.random.default_rng(5)
    without = Grammar.for_panel({"close": FieldInfo("close", unit=PRICE)})
    assert not any(m.operator.name.startswith("group_") for m in without.moves)
    with_groups = Grammar.for_panel(
        {"close": FieldInfo("close", unit=PRICE), "sector": FieldInfo("sector", Kind.GROUP)}
    )
    used = Counter(
        n.operator.name
        for _ in range(500)
        for n in with_groups.sample(rng).walk()
        if isinstance(n, Call)
    )
    assert any(name.startswith("group_") for name in used)


def test_two_grammars_live_side_by_side() -> None:
    short, long = Grammar(fields=("close", "open"), max_length=4), Grammar(max_length=25)
    rng = np.random.default_rng(6)
    for _ in range(300):
        assert_valid(short, short.sample(rng))
        assert_valid(long, long.sample(rng))
    assert max(long.sample(rng).length for _ in range(300)) > 15


def test_every_searchable_operator_appears() -> None:
    grammar = Grammar(fields=FULL)
    rng = np.random.default_rng(7)
    seen = {
        n.operator.name for _ in range(8000)
        for n in grammar.sample(rng).walk() if isinstance(n, Call)
    }  # fmt: skip
    # Written otherwise in canonical form; is_nan takes part only by name.
    rewritten = {"greater", "greater_equal", "not", "is_nan"}
    wanted = {op.name for op in CATALOGUE.values() if op.searchable and op.inputs} - rewritten
    assert wanted <= seen


def test_weights_steer_the_draws() -> None:
    rng = np.random.default_rng(8)
    plain = Grammar(operators=["rank", "abs", "ts_mean"])
    tilted = Grammar(operators=["rank", "abs", "ts_mean"], weights={"abs": 1000.0, "rank": 0.0})
    roots = [Counter(str(g.sample(rng)).split("(")[0] for _ in range(300)) for g in (plain, tilted)]
    assert roots[0]["rank"] > roots[0]["abs"]
    assert roots[1]["rank"] == 0
    assert roots[1]["abs"] > 200


@pytest.mark.parametrize(
    ("settings", "law"),
    [
        ({"max_length": 0}, "max_length"),
        ({"max_depth": 99}, "max_depth"),
        ({"fields": ("sector",)}, "a number that reads"),
        ({"fields": ()}, "a number that reads"),
        ({"windows": (0, 5)}, "window"),
        ({"weights": {"rank": -1.0}}, "weights"),
        ({"weights": {"nothing": 1.0}}, "weights"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object], law: str) -> None:
    with pytest.raises(SearchError, match=law):
        Grammar(**settings)  # type: ignore[arg-type]


def test_tokens_that_are_not_allowed_are_refused() -> None:
    start = Grammar(fields=("close", "volume")).start()
    with pytest.raises(SearchError, match="'rank' is not allowed"):
        start.push("rank")
    with pytest.raises(SearchError, match="has ended"):
        _ = start.push("close").formula


def test_subtrees_keep_their_budgets() -> None:
    grammar = Grammar(fields=FULL)
    rng = np.random.default_rng(9)
    made = 0
    for _ in range(500):
        length, depth, back = (int(v) for v in rng.integers([1, 1, 0], [12, 6, 60]))
        kind, unit = [(Kind.NUMBER, PRICE), (Kind.BOOLEAN, None), (Kind.GROUP, None)][
            rng.integers(3)
        ]
        node = grammar.sample_subtree(rng, kind, unit, length, depth, back)
        if node is not None:
            made += 1
            assert node.kind is kind
            assert kind is not Kind.NUMBER or (node.unit is not None and node.unit.price == 1.0)
            assert node.length <= length
            assert levels_of(node) == node.levels <= depth
            assert node.lookback <= back
    assert made > 300


def test_only_what_is_new_in_a_formula_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children of a search are mostly their parents, and most of them are looked at and dropped."""
    grammar, checked = Grammar(), []
    ask = Types.result

    def result(types: Types, op: Operator, *rest: Any) -> int | None:
        checked.append(op.name)
        return ask(types, op, *rest)

    monkeypatch.setattr(Types, "result", result)
    close, volume = (info.node for info in grammar.fields if info.name in ("close", "volume"))
    kept = ops.ts_corr(ops.rank(close), ops.ts_delta(volume, 5), 10)
    assert grammar.problem(abs(kept)) is None
    assert sorted(checked) == ["abs", "rank", "ts_corr", "ts_delta"]
    checked.clear()
    assert grammar.problem(ops.ts_mean(kept, 5)) is None
    assert checked == ["ts_mean"]


def levels_of(node: Node) -> int:
    """The longest path to a leaf, without the minuses on it."""
    own = str(node).startswith("-") and len(node.inputs) == 1
    return (not own) + max((levels_of(child) for child in node.inputs), default=0)


def test_samples_are_the_same_in_another_process() -> None:
    script = (
        "import numpy as np\nfrom alphamine.expression.grammar.grammar import Grammar\n"
        "g, rng = Grammar(), np.random.default_rng(11)\n"
        "print(' '.join(g.sample(rng).digest for _ in range(200)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "77"},
    ).stdout.split()
    grammar, rng = Grammar(), np.random.default_rng(11)
    assert [grammar.sample(rng).digest for _ in range(200)] == told


def test_formulas_survive_json() -> None:
    grammar = Grammar(fields=FULL)
    rng = np.random.default_rng(12)
    schema = {f.name: f for f in grammar.fields}
    for _ in range(500):
        formula = grammar.sample(rng)
        assert from_data(json.loads(json.dumps(to_data(formula))), schema) is formula


@pytest.mark.parametrize(
    ("spelling", "trap"),
    [
        # 1 would leave `low` as it is, and no token to tell it from the `low` below.
        ("0.5 0.5 10 open low greater_equal 1 low low", "1"),
        # A volume is needed, and `0.5 * volume` is there already.
        ("high reverse zscore 10 high vwap less_equal 0.5 volume multiply 0.5", "volume"),
    ],
)
def test_no_token_leads_to_a_value_that_can_only_repeat(spelling: str, trap: str) -> None:
    grammar = Grammar(fields=("open", "high", "low", "close", "vwap", "volume", "sector"))
    prefix = grammar.start()
    for token in spelling.split():
        prefix = prefix.push(token)
    allowed = {str(token) for token in prefix.allowed()}
    assert trap not in allowed
    assert allowed
    assert all(prefix.push(token).mask.any() for token in allowed - {"end"})
