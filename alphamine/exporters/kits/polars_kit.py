"""Helpers of exported Polars code: a row for each symbol and date, in this order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl


def finite(x: pl.Expr) -> pl.Expr:
    """`x` with infinities and NaN taken as missing."""
    return pl.when(x.is_finite()).then(x)


def column(frame: pl.LazyFrame, name: str, x: pl.Expr) -> pl.LazyFrame:
    """The frame with a further column, computed at once.

    A plan of a whole pool takes the optimiser minutes, for computations of seconds; and what an
    expression reads twice is often computed twice, so that it is a column first.
    """
    made = frame.with_columns(x.alias(name))
    return made.with_columns(finite(pl.col(name)).alias(name)).collect().lazy()


def let(frame: pl.LazyFrame, name: str, x: pl.Expr) -> tuple[pl.LazyFrame, pl.Expr]:
    """The frame with a further column, and the column."""
    return column(frame, name, x), pl.col(name)


def result(frame: pl.LazyFrame, name: str, x: pl.Expr) -> pl.LazyFrame:
    """The frame with a further column, without those on the way to it."""
    return column(frame, name, x).select(pl.exclude(f"^{name}_.*$"))


def labelled(name: str, dtype: pl.DataType) -> pl.Expr:
    """Labels of groups; "" and NaN are none."""
    label = pl.col(name)
    known = label.is_not_nan() if dtype.is_float() else label.cast(pl.String) != ""
    return pl.when(known).then(label).alias(name)


def inside(name: str) -> pl.Expr:
    """A column within the day's universe."""
    return pl.when(pl.col("universe")).then(pl.col(name))


def ago(x: pl.Expr, k: int) -> pl.Expr:
    """`x` of k days ago, of the same symbol."""
    return pl.when(pl.col("row") >= k).then(x.shift(k))


def smaller(x: pl.Expr, y: pl.Expr) -> pl.Expr:
    """The smaller of two; missing if either is."""
    both = x.is_not_null() & y.is_not_null()
    return pl.when(both).then(pl.min_horizontal(x, y))


def larger(x: pl.Expr, y: pl.Expr) -> pl.Expr:
    """The larger of two; missing if either is."""
    both = x.is_not_null() & y.is_not_null()
    return pl.when(both).then(pl.max_horizontal(x, y))


def where(condition: pl.Expr, a: pl.Expr, b: pl.Expr | None = None) -> pl.Expr:
    """`a` where the condition holds, else b."""
    return pl.when(condition).then(a).otherwise(b)


def truth(condition: pl.Expr) -> pl.Expr:
    """1 where the condition holds, else 0."""
    return condition.fill_null(False).cast(pl.Float64)


def window_total(term: Callable[[int], pl.Expr], d: int) -> pl.Expr:
    """Sum over the ages d - 1 to 0 of a term, in this order; missing ones are left out."""
    terms = [term(age).fill_null(0.0) for age in reversed(range(d))]
    return pl.fold(pl.lit(0.0), lambda total, x: total + x, terms)


def window_least(term: Callable[[int], pl.Expr], d: int) -> pl.Expr:
    """Smallest over the ages 0 to d - 1 of a term."""
    return pl.min_horizontal([term(age) for age in range(d)])


def window_most(term: Callable[[int], pl.Expr], d: int) -> pl.Expr:
    """Largest over the ages 0 to d - 1 of a term."""
    return pl.max_horizontal([term(age) for age in range(d)])


def window_count(x: pl.Expr, d: int) -> pl.Expr:
    """Present values of the last d days."""
    known = x.is_not_null().cast(pl.Float64)
    return known.rolling_sum(d, min_samples=1).over("symbol")


def window_high(x: pl.Expr, d: int) -> pl.Expr:
    """Largest present value of the last d days."""
    return x.rolling_max(d, min_samples=1).over("symbol")


def window_low(x: pl.Expr, d: int) -> pl.Expr:
    """Smallest present value of the last d days."""
    return x.rolling_min(d, min_samples=1).over("symbol")


def window_quantile(
    frame: pl.LazyFrame, name: str, x: pl.Expr, d: int, q: float
) -> tuple[pl.LazyFrame, pl.Expr]:
    """Quantile of the present values of the last d days, linear between the two nearest."""
    lists = pl.concat_list([ago(x, age) for age in range(d)]).list.drop_nulls().list.sort()
    frame = frame.with_columns(lists.alias(f"{name}_values")).collect().lazy()
    values = pl.col(f"{name}_values")
    place = (values.list.len().cast(pl.Float64) - 1.0).clip(0.0) * q
    frame, low = let(
        frame, f"{name}_low", values.list.get(place.floor().cast(pl.Int64), null_on_oob=True)
    )
    frame, high = let(
        frame, f"{name}_high", values.list.get(place.ceil().cast(pl.Int64), null_on_oob=True)
    )
    share = place - place.floor()
    between = pl.min_horizontal(high, low + (high * share - low * share))
    return let(frame, name, pl.max_horizontal(low, between))


def last_present(x: pl.Expr, d: int, k: int) -> pl.Expr:
    """The k-th most recent present value of the last d days."""
    known = pl.concat_list([ago(x, age) for age in range(d)]).list.drop_nulls()
    return known.list.get(k - 1, null_on_oob=True)


def powered(x: pl.Expr, power: int) -> pl.Expr:
    """A whole power, by multiplication."""
    result = x * x
    for _ in range(power - 2):
        result = result * x
    return result


def power_of_two(size: pl.Expr) -> pl.Expr:
    """A power of two whose product with a size is within 2**36 of 1; 1 for a size of 0."""
    steps = (size.log(2.0) / 64.0).round().clip(-15.0, 15.0)
    return pl.when(size > 0.0).then(pl.lit(2.0).pow(-64.0 * steps)).otherwise(1.0)


def across(x: pl.Expr, *group: pl.Expr) -> pl.Expr:
    """A statistic of each day, or of each group of each day, on all its rows."""
    return x.cast(pl.Float64).over("date", *group)


def exact_total(
    frame: pl.LazyFrame, name: str, x: pl.Expr, *group: pl.Expr
) -> tuple[pl.LazyFrame, pl.Expr]:
    """Sum of each day, or of each group of each day; exact, whatever the order of the rows."""
    term, bound, down, splitter, first, second = (
        f"{name}_{part}" for part in ("term", "bound", "down", "splitter", "first", "second")
    )
    frame = frame.with_columns(x.alias(term))
    frame = frame.with_columns(across(pl.col(term).abs().max(), *group).alias(bound))
    frame = frame.with_columns(power_of_two(pl.col(bound)).alias(down)).collect().lazy()
    size = pl.col(bound) * pl.col(down)
    unit = 1.5 * 2.0**18 * pl.lit(2.0).pow((size.log(2.0) + 1.0).floor())
    frame = frame.with_columns(unit.alias(splitter)).collect().lazy()
    scaled, coarse = pl.col(term) * pl.col(down), pl.col(splitter)
    frame = frame.with_columns(((scaled + coarse) - coarse).alias(first))
    fine = coarse * 2.0**-34
    frame = frame.with_columns((((scaled - pl.col(first)) + fine) - fine).alias(second))
    parts = [across(pl.col(part).sum(), *group) for part in (first, second)]
    total = pl.when(pl.col(bound) > 0.0).then((parts[0] + parts[1]) / pl.col(down)).otherwise(0.0)
    return let(frame.collect().lazy(), name, total)


def grid(prices: pl.LazyFrame, numbers: Sequence[str], groups: Sequence[str]) -> pl.LazyFrame:
    """A row for each symbol and date, in this order; what is absent is missing."""
    schema = prices.collect_schema()
    if "universe" not in schema:
        prices = prices.with_columns(universe=pl.lit(True))
    values = [finite(pl.col(name).cast(pl.Float64)).alias(name) for name in numbers]
    codes = [labelled(name, schema[name]) for name in groups]
    table = prices.select("date", "symbol", pl.col("universe").cast(pl.Boolean), *values, *codes)
    days = table.select("date").unique().sort("date").with_row_index("row")
    names = table.group_by("symbol").agg(first=pl.col("date").min())
    alive = pl.when(pl.col("date") >= pl.col("first")).then(1.0)
    return (
        names.join(days, how="cross")
        .join(table, on=["date", "symbol"], how="left")
        .with_columns(pl.col("universe").fill_null(False), alive.alias("alive"))
        .sort("symbol", "date")
        .collect()
        .lazy()
    )
