"""The operator contract: laws that every operator keeps, ours and yours.

Each law is a function that takes a `Sample` and raises `OperatorError` with the law, the operator,
the first offending cell and what to do about it. `check_operator` runs them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np

from alphamine.errors import OperatorError
from alphamine.operators import Family, Kind, Operator
from alphamine.operators.numeric import average_ranks

from .samples import Sample, Values, absent, missing_like, random_inputs, samples

_NOT_LATER = (
    "a value may depend on rows up to its own only: remove the negative shift, the backward fill, "
    "the centred window or the statistic of the whole column"
)
# What a function may fail with on well-formed input; anything else is not about its arithmetic.
_FAILURES = (ArithmeticError, LookupError, TypeError, ValueError, AttributeError)


def check_operator(
    operator: Operator,
    windows: Sequence[int] = (1, 2, 5, 20),
    cuts: int | None = None,
    seed: int = 0,
) -> None:
    """Put an operator to the test on random inputs with gaps, ties and constant stretches.

    Parameters
    ----------
    operator : Operator
    windows : sequence of int
        Values of its window parameter, if it has one.
    cuts : int, optional
        Days after which the future is replaced, for the first setting (all days by default);
        the other settings get three.
    seed : int

    Raises
    ------
    OperatorError
        For the first broken law: its name, the operator, the cell and the fix.
    """
    if operator.path_dependent:
        raise OperatorError(
            f"operators have finite memory, but {operator.name!r} is flagged path dependent; "
            "it can be listed, never evaluated"
        )
    if operator.family is Family.GROUP and Kind.GROUP not in {i.kind for i in operator.inputs}:
        raise OperatorError(
            f"an operator of the family group takes a group, but {operator.signature} has none; "
            "name one of its inputs group, or declare the family cross_section"
        )
    gapped = list(samples(operator, windows, seed))
    # A statistic that one gap makes missing hides where it looks; without gaps it cannot.
    whole = random_inputs(operator, np.random.default_rng(seed), gaps=False)
    for index, sample in enumerate([*gapped, replace(gapped[0], inputs=whole)]):
        rows = sample.shape[0]
        count = (cuts or rows - 1) if index == 0 else 3
        where = np.unique(np.linspace(0, rows - 2, min(count, rows - 1)).astype(int))
        result = well_formed(sample)
        leaves_inputs_alone(sample)
        missing_stays_missing(sample, result)
        sees_no_future(sample, result, where)
        keeps_to_its_lookback(sample, result, where)
        if operator.family in (Family.ELEMENTWISE, Family.TIME_SERIES):
            keeps_to_its_symbol(sample, result)
        else:
            ignores_absent_symbols(sample, result)
        if operator.family is Family.GROUP and operator.output is not Kind.GROUP:
            keeps_to_its_group(sample, result)
        keeps_its_declarations(sample, result)
        fits_small_panels(sample)


def _broken(sample: Sample, law: str, what: str, fix: str) -> OperatorError:
    return OperatorError(
        f"operator {sample.operator.name!r} breaks the law {law!r}: in {sample}, {what}; {fix}"
    )


def _run(sample: Sample, inputs: Sequence[Values] | None = None) -> Values:
    """The result on these or other inputs: a float64 array of their shape."""
    shape = (sample.inputs if inputs is None else inputs)[0].shape
    try:
        result = sample.run(inputs)
    except _FAILURES as error:
        raise _broken(
            sample,
            "takes any panel",
            f"inputs of shape {shape} raised {error!r}",
            "return NaN where there is no value",
        ) from error
    law = "returns one float64 per cell"
    if not isinstance(result, np.ndarray) or result.dtype != np.float64:
        given = getattr(result, "dtype", type(result).__name__)
        raise _broken(sample, law, f"it returned {given}", "return a numpy array of float64")
    if result.shape != shape:
        raise _broken(
            sample,
            law,
            f"inputs of shape {shape} gave shape {result.shape}",
            "return one value for each day and symbol, also on fewer days than a window has",
        )
    return result


def _same(
    sample: Sample,
    law: str,
    got: Values,
    want: Values,
    change: str,
    fix: str,
    first_row: int = 0,
    tolerance: float = 0.0,
) -> None:
    """Raise at the first cell that differs (bit for bit unless there is a tolerance)."""
    agree = (got == want) | (np.isnan(got) & np.isnan(want))
    if tolerance:
        with np.errstate(invalid="ignore"):  # equal infinities agree already
            agree |= np.abs(got - want) <= tolerance * (1.0 + np.abs(want))
    if agree.all():
        return
    row, symbol = np.argwhere(~agree)[0]
    raise _broken(
        sample,
        law,
        f"{change}, and row {row + first_row}, symbol {symbol} changed from "
        f"{want[row, symbol]} to {got[row, symbol]}",
        fix,
    )


def well_formed(sample: Sample) -> Values:
    """The result is a float64 array of the inputs' shape, and the same every time."""
    result = _run(sample)
    _same(
        sample,
        "is deterministic",
        _run(sample),
        result,
        "it ran twice on the same inputs",
        "use no random numbers and keep no state between calls",
    )
    return result.copy()


def leaves_inputs_alone(sample: Sample) -> None:
    """The inputs are the same bits after the call."""
    given = [x.copy() for x in sample.inputs]
    sample.run_in_place(given)
    for before, after, declared in zip(sample.inputs, given, sample.operator.inputs, strict=True):
        _same(
            sample,
            "does not write to its inputs",
            after.astype(float),
            before.astype(float),
            f"it was called on {declared.name}",
            "work on a copy",
        )


def missing_stays_missing(sample: Sample, result: Values) -> None:
    """Nothing comes from nothing; a window has the values that it needs."""
    op = sample.operator
    if op.fills_missing:
        return
    law, fix = "missing stays missing", "return NaN there, or declare fills_missing"
    empty = [missing_like(x, i.kind) for x, i in zip(sample.inputs, op.inputs, strict=True)]
    nothing = _run(sample, empty)
    _same(sample, law, nothing, np.full_like(nothing, np.nan), "all inputs were missing", fix)
    if op.family is not Family.TIME_SERIES:
        has_value = ~np.isnan(result) & sample.missing
        short = "its inputs are missing"
    elif (
        sample.min_periods is not None and sample.lookback == int(sample.params[op.window or 0]) - 1
    ):
        law, fix = "honours min_periods", "return NaN where fewer values are present"
        total = np.zeros((sample.shape[0] + 1, sample.shape[1]))
        np.cumsum(sample.complete, axis=0, out=total[1:])
        start = np.maximum(np.arange(sample.shape[0]) - sample.lookback, 0)
        present = total[1:] - total[start]
        has_value = ~np.isnan(result) & (present < sample.min_periods)
        short = "its window has fewer present values than min_periods"
    else:
        return
    if has_value.any():
        row, symbol = np.argwhere(has_value)[0]
        value = result[row, symbol]
        raise _broken(sample, law, f"row {row}, symbol {symbol} is {value} though {short}", fix)


def mutations(sample: Sample, rows: slice) -> Iterator[tuple[str, list[Values]]]:
    """Other contents of some rows: each with a name, all inputs changed alike."""
    rng = np.random.default_rng(1)
    count = len(range(*rows.indices(sample.shape[0])))
    order = rng.permutation(count)
    number: dict[str, Callable[[Values], Any]] = {
        "NaN": lambda x: np.nan,
        "inf": lambda x: np.inf,
        "-inf": lambda x: -np.inf,
        "1e12": lambda x: 1e12,
        "permuted rows": lambda x: x[order],
        "reversed signs": lambda x: -x,
    }
    for name, change in number.items():
        changed = []
        for x, given in zip(sample.inputs, sample.operator.inputs, strict=True):
            change_here = change
            if name not in ("NaN", "permuted rows") and given.kind is not Kind.NUMBER:
                change_here = _other_truth if given.kind is Kind.BOOLEAN else _other_group
            elif name == "NaN" and given.kind is Kind.GROUP:
                change_here = _no_group
            y = x.copy()
            y[rows] = change_here(x[rows])
            changed.append(y)
        yield name, changed


def _other_truth(x: Values) -> Values:
    return 1.0 - x


def _other_group(x: Values) -> Values:
    return np.where(x < 0, 0, x + 1)


def _no_group(x: Values) -> Values:
    return np.full_like(x, -1)


def sees_no_future(sample: Sample, result: Values, cuts: Sequence[int] | Values) -> None:
    """Replacing or removing what comes after a day changes no bit up to that day."""
    law = "no look-ahead"
    for cut in cuts:
        for name, changed in mutations(sample, slice(cut + 1, None)):
            after = _run(sample, changed)[: cut + 1]
            change = f"the rows after {cut} were replaced by {name}"
            _same(sample, law, after, result[: cut + 1], change, _NOT_LATER)
        after = _run(sample, [x[: cut + 1] for x in sample.inputs])
        change = f"the rows after {cut} were removed"
        _same(sample, law, after, result[: cut + 1], change, _NOT_LATER)


def keeps_to_its_lookback(sample: Sample, result: Values, cuts: Sequence[int] | Values) -> None:
    """Replacing or removing rows older than the declared look-back changes no bit."""
    law = "keeps to its look-back"
    fix = (
        f"declare the rows that it reads (now {sample.lookback} before today), and use no running "
        "sums, expanding statistics or recursive averages"
    )
    for cut in cuts:
        first = cut + 1 + sample.lookback
        if first >= sample.shape[0]:
            continue
        for name, changed in mutations(sample, slice(0, cut + 1)):
            after = _run(sample, changed)[first:]
            change = f"the rows up to {cut} were replaced by {name}"
            _same(sample, law, after, result[first:], change, fix, first)
        after = _run(sample, [x[cut + 1 :] for x in sample.inputs])[sample.lookback :]
        change = f"the rows up to {cut} were removed"
        _same(sample, law, after, result[first:], change, fix, first)


def keeps_to_its_symbol(sample: Sample, result: Values) -> None:
    """One symbol's values do not depend on the others, nor on their order."""
    law = "keeps to its symbol"
    fix = "use no statistic across columns, or declare the family cross_section"
    order = np.random.default_rng(2).permutation(sample.shape[1])
    after = _run(sample, [x[:, order] for x in sample.inputs])
    _same(sample, law, after, result[:, order], "the symbols were reordered", fix)
    for symbol in range(0, sample.shape[1], 3):
        alone = slice(symbol, symbol + 1)
        after = _run(sample, [x[:, alone] for x in sample.inputs])
        _same(sample, law, after, result[:, alone], f"symbol {symbol} was left alone", fix)


def ignores_absent_symbols(sample: Sample, result: Values) -> None:
    """Symbols outside the universe have no say and no value; order has no meaning."""
    law = "ignores absent symbols"
    fix = "leave NaN out of every statistic, and use no positions of columns"
    kinds = [i.kind for i in sample.operator.inputs]
    wider = [
        np.concatenate([missing_like(x[:, :3], kind), x], axis=1)
        for x, kind in zip(sample.inputs, kinds, strict=True)
    ]
    nothing = np.full_like(result[:, :3], np.nan)
    # Sums may differ in the last bit when the number of columns does.
    change = "three symbols outside the universe were added"
    want = np.concatenate([nothing, result], axis=1)
    _same(sample, law, _run(sample, wider), want, change, fix, tolerance=1e-9)
    order = np.random.default_rng(3).permutation(sample.shape[1])
    after = _run(sample, [x[:, order] for x in sample.inputs])
    change = "the symbols were reordered"
    _same(sample, law, after, result[:, order], change, fix, tolerance=1e-9)


def keeps_to_its_group(sample: Sample, result: Values) -> None:
    """Values of other groups do not matter."""
    kinds = [i.kind for i in sample.operator.inputs]
    group = sample.inputs[kinds.index(Kind.GROUP)]
    changed = [
        x if kind is Kind.GROUP else np.where(group == 0, 2.0 * x + 1.0, x)
        for x, kind in zip(sample.inputs, kinds, strict=True)
    ]
    kept = group != 0
    # A look-back reads earlier days under today's groups, so only today's values are changed.
    if sample.lookback:
        return
    after, before = _run(sample, changed), result
    _same(
        sample,
        "keeps to its group",
        np.where(kept, after, np.nan),
        np.where(kept, before, np.nan),
        "the values of group 0 were changed, which this cell is not in",
        "compute every statistic within the group of the cell",
    )


def keeps_its_declarations(sample: Sample, result: Values) -> None:
    """`commutative` holds bit for bit; `monotone` never changes a rank."""
    op = sample.operator
    if op.commutative:
        for order in permutations(sample.inputs):
            _same(
                sample,
                "is commutative",
                _run(sample, order),
                result,
                "its inputs were exchanged",
                "do not declare commutative",
            )
    if op.monotone:
        x = sample.inputs[0]
        judged = ~np.isnan(result).all(axis=1)
        _same(
            sample,
            "is monotone",
            average_ranks(result[judged]),
            average_ranks(x[judged]),
            "the ranks of the day (of days with a result) were compared with those of the input",
            "do not declare monotone",
        )


def fits_small_panels(sample: Sample) -> None:
    """One day, one symbol, or a panel shorter than the window is no reason to fail."""
    for rows, columns in ((1, 1), (1, 4), (3, 1)):
        _run(sample, [x[-rows:, :columns] for x in sample.inputs])


__all__ = ["absent", "check_operator", "mutations", "samples"]
