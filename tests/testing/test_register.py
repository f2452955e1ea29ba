"""Operators of one's own: what is read from a function, what is refused, what then works."""

from __future__ import annotations

import doctest
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import alphamine as am
from alphamine.errors import OperatorError
from alphamine.expression.canonical import canonicalise
from alphamine.expression.fields import STANDARD_FIELDS
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Call
from alphamine.expression.symbolic import simplify, to_sympy
from alphamine.expression.text.latex import to_latex
from alphamine.expression.text.printer import to_text
from alphamine.operators import CATALOGUE, Kind, get
from alphamine.operators.entry import DIALECTS, Properties
from alphamine.operators.laws import NO_LAWS, Laws
from alphamine.operators.terms import Term, present, raised, row, where
from alphamine.operators.typeset import PRODUCT, Typeset
from alphamine.testing import register
from alphamine.testing.laws import check_laws
from alphamine.testing.translations import check_recipe, check_symbolic

Array = np.ndarray


@pytest.fixture(autouse=True)
def catalogue() -> Iterator[None]:
    """Registered names are gone after the test."""
    before = dict(CATALOGUE)
    yield
    for name in set(CATALOGUE) - set(before):
        del CATALOGUE._entries[name]


def spread(x, d, power=1.0, *, min_periods):
    """Range of the last d days, to a power."""
    past = np.full((d - 1, x.shape[1]), np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(np.concatenate([past, x]), d, axis=0)
    n = (~np.isnan(windows)).sum(axis=-1)
    width = np.fmax.reduce(windows, axis=-1) - np.fmin.reduce(windows, axis=-1)
    return np.where(n >= min_periods, width**power, np.nan)


def test_a_registered_operator_is_part_of_the_language() -> None:
    op = am.register_operator("my_spread", spread, "time_series", unit="first")
    assert op is get("my_spread")
    assert op.signature == "my_spread(x, d, power=1)"
    assert op.meaning == "Range of the last d days, to a power"
    assert op.context == ("min_periods",)
    assert (op.lookback((7, 1.0)), op.window, op.searchable) == (6, 0, True)
    close = np.random.default_rng(0).standard_normal((30, 4)).cumsum(axis=0) + 50
    dates = np.arange("2024-01-01", "2024-01-31", dtype="datetime64[D]")
    panel = am.Panel.from_arrays(dates, list("abcd"), {"close": close})
    [values] = am.values([am.parse("my_spread(close, 5)")], panel, dtype="float64")
    np.testing.assert_array_equal(values[10], np.ptp(close[6:11], axis=0))
    assert np.isnan(values[:4]).all()


def test_inputs_are_read_from_names() -> None:
    def chosen(x, condition, group):
        return np.where((condition == 1.0) & (group >= 0), x, np.nan)

    op = am.register_operator("chosen", chosen, searchable=False, meaning="x where both hold")
    assert [i.kind for i in op.inputs] == [Kind.NUMBER, Kind.BOOLEAN, Kind.GROUP]
    assert (op.tier, op.meaning) == (2, "x where both hold")


def test_a_leaking_operator_is_refused_and_not_added() -> None:
    def peek(x):
        return np.concatenate([x[1:], x[-1:]])

    with pytest.raises(OperatorError, match=r"'peek' breaks the law 'no look-ahead'.*row 0"):
        am.register_operator("peek", peek, "time_series")
    assert "peek" not in CATALOGUE


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("ts_mean", {}, "already in the catalogue"),
        ("Mine", {}, "lower-case"),
        ("close", {}, "a field of the standard vocabulary"),
        ("sector", {}, "a field of the standard vocabulary"),
        ("mine", {}, 'a lambda such as .* has no docstring; give meaning="'),
        ("mine; drop", {}, "lower-case"),
        ("mine", {"family": "rowwise"}, "family of an operator is one of elementwise"),
        ("mine", {"unit": "furlong"}, "unit of an operator is one of"),
        ("mine", {"output": "text"}, "output of an operator is one of"),
    ],
)
def test_bad_declarations_are_refused(name: str, settings: dict[str, str], message: str) -> None:
    with pytest.raises(OperatorError, match=message):
        am.register_operator(name, lambda x: -x, **settings)
    assert "mine" not in CATALOGUE


@pytest.mark.parametrize(
    ("family", "function"),
    [
        # One gap makes each of these missing, and a column without gaps sees its future.
        ("elementwise", lambda x: x - x.mean()),
        ("time_series", lambda x: (x - x.mean(axis=0)) / x.std(axis=0)),
        ("time_series", lambda x: x / x.max(axis=0)),
        ("cross_section", lambda x: x / np.sort(x, axis=None)[-1]),
    ],
)
def test_statistics_that_a_gap_makes_missing_hide_no_look_ahead(
    family: str, function: Callable[..., Array]
) -> None:
    with pytest.raises(OperatorError, match="no look-ahead"):
        am.register_operator("mine", function, family, meaning="Less what is to come.")
    assert "mine" not in CATALOGUE


def test_functions_that_cannot_be_read_are_refused() -> None:
    for odd in (max, "abc"):
        with pytest.raises(OperatorError, match=r"'mine' is .*; wrap it in a def"):
            am.register_operator("mine", odd)
    with pytest.raises(OperatorError, match="named one by one"):
        am.register_operator("mine", lambda *xs: xs[0])
    with pytest.raises(OperatorError, match="at least one input"):
        am.register_operator("mine", lambda d: np.zeros((1, 1)))


@pytest.mark.parametrize(
    "function",
    [
        # Both are right on panels that are longer than the window.
        lambda x, d: np.concatenate([np.full((d, x.shape[1]), np.nan), x[:-d]]),
        lambda x, d: np.concatenate([x, x])[: max(len(x), d)],
    ],
)
def test_another_shape_on_short_panels_is_named(function: Callable[..., Array]) -> None:
    lookback = {"lookback": lambda params: params[0], "meaning": "Of some days before."}
    with pytest.raises(OperatorError, match=r"inputs of shape \(\d, 10\) gave shape \(\d, 10\)"):
        am.register_operator("mine", function, "time_series", **lookback)
    assert "mine" not in CATALOGUE


def test_numpy_does_not_warn_of_what_is_missing() -> None:
    # Warnings are errors here, and a day without a value has no mean.
    def less_mean(x):
        """Less the day's mean."""
        return np.log(x) - np.nanmean(np.log(x), axis=1, keepdims=True)

    am.register_operator("less_mean", less_mean, "cross_section")
    close = np.random.default_rng(0).random((30, 3)) + 1.0
    dates = np.arange("2024-01-01", "2024-01-31", dtype="datetime64[D]")
    panel = am.Panel.from_arrays(dates, list("abc"), {"close": close})
    [values] = am.values([am.parse("less_mean(ts_delay(close, 5) - 1.5)")], panel)
    assert np.isnan(values[:5]).all()
    assert np.isfinite(values[5:]).any()


def test_a_fixed_lookback_is_held_to() -> None:
    def before(x):
        y = np.full_like(x, np.nan)
        y[2:] = x[:-2]
        return y

    with pytest.raises(OperatorError, match="keeps to its look-back"):
        am.register_operator("before", before, "time_series", lookback=1)
    assert am.register_operator("before", before, "time_series", lookback=2).lookback(()) == 2


def test_the_documented_example_runs() -> None:
    assert doctest.testmod(register).failed == 0


def soft_sign(x):
    """x / (1 + |x|)."""
    return x / (1.0 + np.abs(x))


def test_all_fields_of_an_entry_work_for_an_operator_from_outside() -> None:
    op = am.register_operator(
        "soft_sign",
        soft_sign,
        unit="ratio",
        monotone=True,
        usage=100_000,
        laws=Laws(odd=(0,)),
        latex=Typeset(r"\frac{<0>}{1+\left|<0>\right|}", PRODUCT),
        symbolic=lambda s, x: x / (1 + s.Abs(x)),
        dialects={"qlib": "Soft", "alphagen": "Soft"},
    )
    formula = am.parse("soft_sign(-ts_mean(close, 5))")
    assert to_latex(am.parse("soft_sign(close)")) == (
        r"\frac{\mathrm{close}}{1+\left|\mathrm{close}\right|}"
    )
    assert str(canonicalise(formula)) == "-soft_sign(ts_mean(close, 5))"
    for dialect in ("qlib", "alphagen"):
        written = to_text(am.parse("soft_sign(close)"), dialect)
        assert written == "Soft($close)"
        assert am.parse(written, dialect) is am.parse("soft_sign(close)")
    sympy = pytest.importorskip("sympy")
    close = sympy.Symbol("close", real=True)
    assert sympy.simplify(to_sympy(am.parse("soft_sign(close)")) - close / (1 + abs(close))) == 0
    grammar = Grammar.for_panel(STANDARD_FIELDS)
    rng = np.random.default_rng(0)
    drawn = [grammar.sample(rng) for _ in range(40)]
    assert sum(op in {n.operator for n in f.walk() if isinstance(n, Call)} for f in drawn) > 10


def test_operators_from_outside_are_rewritten_as_ours_are() -> None:
    def lagged(x, d):
        """x of d days ago."""
        y = np.full_like(x, np.nan)
        y[d:] = x[:-d]
        return y

    def back(params):
        return params[0]

    am.register_operator(
        "lagged", lagged, "time_series", unit="first", lookback=back, laws=Laws(additive=True)
    )
    am.register_operator(
        "positive_part",
        lambda x: np.where(x < 0.0, 0.0 * x, x),
        meaning="x, or 0 below it",
        unit="first",
        laws=Laws(nonnegative=True, keeps_nonnegative=True, idempotent=True),
    )
    for text, expected in {
        "lagged(lagged(close, 2), 3)": "lagged(close, 5)",
        "positive_part(abs(close))": "abs(close)",
        "abs(positive_part(close))": "positive_part(close)",
    }.items():
        assert str(canonicalise(am.parse(text))) == expected


@pytest.mark.parametrize(
    ("law", "other"), [("additive", "ts_mean"), ("opposite", "multiply"), ("opposite", "max")]
)
def test_a_law_that_another_operator_does_not_keep_is_found(law: str, other: str) -> None:
    claimed = Laws(**{law: True if law == "additive" else "divide"})
    with pytest.raises(OperatorError, match=f"does not keep the law '{law}'"):
        check_laws(replace(CATALOGUE[other], laws=claimed))


def test_every_property_of_an_entry_can_be_registered() -> None:
    # What nobody may sample is not registered; dialects come as a mapping.
    asked = {*Properties.__annotations__} - {"tier", "path_dependent", *DIALECTS}
    assert asked < {*inspect.signature(am.register_operator).parameters}


def test_of_usage_zero_it_is_sampled_only_if_a_grammar_names_it() -> None:
    am.register_operator("soft_sign", soft_sign, usage=0)
    rng = np.random.default_rng(0)
    drawn = [Grammar.for_panel(STANDARD_FIELDS).sample(rng) for _ in range(100)]
    assert not any("soft_sign" in str(f) for f in drawn)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"laws": Laws(even=True)}, "does not keep the law 'even'"),
        ({"laws": Laws(negates=True)}, "does not keep the law 'negates'"),
        ({"laws": Laws(nonnegative=True)}, "does not keep the law 'nonnegative'"),
        ({"laws": Laws(idempotent=True)}, "does not keep the law 'idempotent'"),
        ({"laws": Laws(odd=(1,))}, "input 1 of soft_sign"),
        ({"laws": Laws(mirror="mni")}, "'mni', which does not exist; did you mean 'min'"),
        ({"laws": Laws(window_of_one=True)}, "laws of a window.*soft_sign"),
        ({"laws": Laws(additive=True)}, "laws of a window.*soft_sign"),
        ({"laws": Laws(keeps_nonnegative=True)}, "does not keep the law 'keeps_nonnegative'"),
        ({"laws": Laws(opposite="abs")}, "with an opposite takes two inputs.*soft_sign"),
        ({"latex": Typeset("<0> + <1>", PRODUCT)}, "a place <0>"),
        ({"latex": Typeset("<0>", PRODUCT, (1, 2))}, "2 sides"),
        ({"dialects": {"qlip": "Soft"}}, "no dialect 'qlip'.*qlib"),
        ({"dialects": {"qlib": "Abs"}}, "'Abs' is abs in qlib"),
        ({"dialects": {"qlib": "a b"}}, "letters, digits"),
        ({"usage": -1}, "usage of an operator is a whole number"),
        ({"levels": 0.5}, "levels of an operator"),
        ({"symbolic": "x"}, "symbolic of an operator is a function"),
    ],
)  # fmt: skip
def test_what_an_entry_says_wrongly_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OperatorError, match=message):
        am.register_operator("soft_sign", soft_sign, **given)
    assert "soft_sign" not in CATALOGUE


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("laws", None), ("laws", {"odd": (0,)}), ("laws", Laws(odd=1)), ("laws", Laws(even="no")),
        ("laws", Laws(mirror=3)), ("bounds", {"d": 3}), ("bounds", {"d": (9, 2)}),
        ("bounds", {"d": (float("nan"), 2)}), ("bounds", 3), ("choices", {"how": "mean"}),
        ("lookback", "x"), ("lookback", -1), ("lookback", 1.5), ("lookback", True),
        ("cost", "x"), ("cost", -1), ("cost", 0), ("cost", float("nan")), ("cost", 1e9),
        ("levels", 0), ("levels", 10**6), ("latex", 5), ("meaning", 5), ("unit", 5),
        ("counts_truths", "no"), ("searchable", "no"), ("commutative", 1), ("monotone", "yes"),
        ("fills_missing", None), ("recipe", 7), ("usage", True), ("dialects", 5),
    ],
)  # fmt: skip
def test_a_value_that_a_field_does_not_take_is_named(field: str, value: Any) -> None:
    with pytest.raises(OperatorError) as caught:
        am.register_operator("my_spread", spread, "time_series", **{field: value})
    message = str(caught.value)
    shown = value
    if isinstance(value, Laws):  # the one law that is wrong
        [field] = [law for law in ("odd", "even", "mirror") if getattr(value, law)]
        shown = getattr(value, field)
        field = f"law {field}"
    assert re.match(rf"the {field} of an operator is .* but 'my_spread' was given ", message)
    assert message.endswith(f"given {shown!r}")
    assert "my_spread" not in CATALOGUE


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"bounds": {"power": (2, 3)}}, r"allow the default.*\(2, 3\).*default is 1\.0"),
        ({"bounds": {"powr": (0, 3)}}, r"my_spread\(x, d, power=1\).*did you mean 'power'"),
        ({"choices": {"how": ("a", "b")}}, r"\('a', 'b'\) for 'how'.*it has d, power"),
        ({"choices": {"d": ("a", "b")}}, r"parameters that are texts.*'d', which is a window"),
    ],
)
def test_limits_are_those_of_parameters_that_there_are(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OperatorError, match=message):
        am.register_operator("my_spread", spread, "time_series", **given)
    assert "my_spread" not in CATALOGUE


def test_a_minus_of_ones_own_adds_no_level() -> None:
    minus = {"meaning": "Minus x", "unit": "first", "laws": Laws(negates=True)}
    assert am.register_operator("minus", lambda x: -x, levels=0, **minus).levels == 0


def test_limits_and_words_of_parameters_are_taken() -> None:
    def scaled(x, factor=2.0, how="up"):
        """x by a factor."""
        return x * factor if how == "up" else x / factor

    op = am.register_operator(
        "scaled", scaled, bounds={"factor": (1, None)}, choices={"how": ("up", "down")}
    )
    assert [(p.low, p.high, p.choices) for p in op.params] == [
        (1, None, ()),
        (None, None, ("up", "down")),
    ]


def raises(*args):
    raise KeyError("lost")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"symbolic": lambda s, x: x**2}, r"_x\*\*2 is .* where the reference is"),
        ({"symbolic": lambda s, x: x**3 * (1 + s.Rational(1, 10**8))}, "where the reference is"),
        ({"symbolic": lambda s, x: None}, "returned None, which is no expression"),
        ({"symbolic": lambda x: x**3}, r"of cube\(x\) it raised TypeError"),
        ({"symbolic": raises}, r"raised KeyError\('lost'\)"),
        ({"symbolic": lambda s, x: x**3 * s.Symbol("y")}, "y in .* is none of the inputs"),
        ({"symbolic": lambda s, x: s.Function("f")(x)}, "has no numbers"),
        ({"symbolic": lambda s, x: s.nan}, "has no value where it has some"),
        ({"symbolic": lambda s, x: s.I * x**3}, "is not real"),
        ({"recipe": lambda x: x}, r"it is .* in cube\(x\), row 0, symbol .* the reference is"),
        ({"recipe": lambda x: x * x * x + 1e-6}, "where the reference is"),
        ({"recipe": lambda x: where(present(x), x * x * x, 0.0)}, "where the reference is nan"),
        ({"recipe": lambda x: None}, "returned None, which is no term"),
        ({"recipe": lambda x: 0.0}, "returned 0.0, which is no term"),
        ({"recipe": lambda: row}, "it raised TypeError"),
        ({"recipe": raises}, r"raised KeyError\('lost'\)"),
        ({"recipe": lambda x: Term("cube", (x,))}, "cannot be computed"),
    ],
)
def test_what_is_not_the_reference_once_more_is_refused(
    given: dict[str, Any], message: str
) -> None:
    [field] = given
    with pytest.raises(OperatorError, match=message) as caught:
        am.register_operator("cube", lambda x: x**3, meaning="x to the third", **given)
    assert str(caught.value).startswith(f"the {field} of an operator is its reference once more")
    assert "cube" not in CATALOGUE


def test_what_is_the_reference_once_more_is_taken() -> None:
    cube = am.register_operator(
        "cube",
        lambda x: x * x * x,
        meaning="x to the third",
        unit="unknown",
        symbolic=lambda s, x: x**3,
        recipe=lambda x: raised(x, 3),
    )
    assert str(simplify(am.parse("cube(close) - close*close*close"))) == "0"
    assert CATALOGUE["cube"] is cube
    # Algebra fills in values, so a value of its own where there is none is no contradiction.
    am.register_operator(
        "ratio_of",
        lambda x, y: np.where(np.abs(y) > 0.5, x / y, np.nan),
        meaning="x / y",
        symbolic=lambda s, x, y: x / y,
    )


@pytest.mark.parametrize("name", [op.name for op in CATALOGUE.values() if op.symbolic is not None])
def test_algebra_of_the_catalogue_is_that_of_its_references(name: str) -> None:
    check_symbolic(CATALOGUE[name])


USUAL = ("ts_mean", "ts_rank", "rank", "group_neutralize", "if_else", "log")
# Groups may be numbered otherwise, which its users see.
WITH_RECIPES = [n for n, op in CATALOGUE.items() if op.recipe is not None and n != "densify"]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*WITH_RECIPES} - {*USUAL}))
def test_every_recipe_is_computed_as_its_reference_is(name: str) -> None:
    check_recipe(CATALOGUE[name])


@pytest.mark.parametrize("name", USUAL)
def test_recipes_are_computed_as_the_references_are(name: str) -> None:
    op = CATALOGUE[name]
    build = op.recipe
    assert build is not None
    check_recipe(op)
    with pytest.raises(OperatorError, match="where the reference is"):
        check_recipe(replace(op, recipe=lambda *args, **asked: build(*args, **asked) * 1.001))


def test_an_unknown_field_of_an_entry_is_refused() -> None:
    with pytest.raises(TypeError, match="comutative"):
        am.register_operator("soft_sign", soft_sign, comutative=True)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", [op.name for op in CATALOGUE.values() if op.laws != NO_LAWS])
def test_laws_of_the_catalogue_hold_for_its_references(name: str) -> None:
    check_laws(CATALOGUE[name])
