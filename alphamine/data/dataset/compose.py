"""From raw arrays to a panel, as a specification says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.data.build import build_panel
from alphamine.data.panel import Panel
from alphamine.data.sources.adjustment import factor_of, field_columns
from alphamine.data.sources.raw import RawData
from alphamine.data.spec import Spec
from alphamine.data.validate import is_price
from alphamine.data.wording import listing
from alphamine.errors import DataError
from alphamine.operators.types import UNITS

from .limits import tradability

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def compose(spec: Spec, raw: RawData) -> Panel:
    """Map and adjust fields, find the universe, groups and masks, and check all of it.

    Label, splits and costs are not set here: they cost nothing and are set when a panel is opened.
    """
    raw = within_calendar(spec, raw)
    units = {name: UNITS[unit] for name, unit in spec.units.items()}
    factor = factor_of(spec, raw)
    fields: dict[str, FloatArray] = {}
    repaired = 0
    for name, column in field_columns(spec, raw).items():
        values = _float64(raw.column(column))
        price = is_price(name, units)
        if price and "bad_prices" in spec.repair:
            bad = (values <= 0) | np.isinf(values)
            values = np.where(bad, np.nan, values)
            repaired += int(bad.sum())
        with np.errstate(all="ignore"):  # the laws of prices refuse what overflows
            if factor is not None and price:
                values = values * factor
            elif factor is not None and name == "volume" and spec.adjustment.volume_adjusted:
                values = values / factor
        fields[name] = values
    universe = _universe(spec, raw, fields)
    masks = tradability(spec.limits, raw, fields, factor)
    keep = np.ones(len(raw.symbols), dtype=bool)
    if spec.universe not in ("all", "tradable"):
        # A symbol that is never a member is seen by nothing: neither operators nor scores.
        keep = np.asarray(universe.any(axis=0))
        if not keep.any():
            raise DataError(f"no symbol with prices is ever a member of index {spec.universe!r}")
    cut = slice(None) if keep.all() else keep
    settings = {
        "masks": {name: mask[:, cut] for name, mask in masks.items()},
        "units": units,
        "notes": {
            **raw.notes,
            "repaired_prices": repaired,
            "volume_adjusted": factor is not None and spec.adjustment.volume_adjusted,
        },
        "factor": None if factor is None else factor[:, cut],
    }
    return build_panel(
        raw.dates,
        raw.symbols[cut],
        {name: values[:, cut] for name, values in fields.items()},
        universe[:, cut],
        {name: labels[..., cut] for name, labels in raw.groups.items()},
        settings,
        index=spec.universe,
    )


def within_calendar(spec: Spec, raw: RawData) -> RawData:
    """The raw data of the days that the specification asks for."""
    start, end, least = spec.calendar.start, spec.calendar.end, spec.calendar.min_quoted
    kept = np.ones(len(raw.dates), dtype=bool)
    if start is not None:
        kept &= raw.dates >= np.datetime64(start, "D")
    if end is not None:
        kept &= raw.dates <= np.datetime64(end, "D")
    stray = np.zeros(len(kept), dtype=bool)
    if least > 1:
        fields = field_columns(spec, raw).values()
        quoted = np.logical_or.reduce([np.isfinite(raw.column(name)) for name in fields])
        stray = kept & (quoted.sum(axis=1) < least)
        kept &= ~stray
    if not kept.any():
        few = f" with {least} quoted symbols" if least > 1 else ""
        raise DataError(
            f"no day is left from {start} to {end}{few}: the data of {spec.name!r} run from "
            f"{raw.dates[0]} to {raw.dates[-1]}"
        )
    if kept.all():
        return raw

    def cut(arrays: Any) -> dict[str, Any]:
        return {name: array[kept] for name, array in arrays.items()}

    dropped = [str(day) for day in raw.dates[stray]]
    notes = {**raw.notes, "dropped_days": dropped} if dropped else raw.notes
    return replace(
        raw, dates=raw.dates[kept], columns=cut(raw.columns), masks=cut(raw.masks), notes=notes
    )


def _universe(spec: Spec, raw: RawData, fields: dict[str, FloatArray]) -> BoolArray:
    """Who counts on each day: (T, N) bool."""
    if spec.universe == "tradable" and "volume" not in fields:
        raise DataError("universe 'tradable' means volume above 0, so it needs the field volume")
    if spec.universe != "all" and "volume" in fields:
        quoted = fields["volume"] > 0
    else:
        quoted = np.logical_or.reduce([np.isfinite(values) for values in fields.values()])
    if spec.universe in ("all", "tradable"):
        return quoted
    known = raw.membership.names if raw.membership is not None else ()
    if raw.membership is None or spec.universe not in known:
        raise DataError(
            f"dataset {spec.name!r} has no universe {spec.universe!r}; it has "
            f"{listing(['all', 'tradable', *known])}"
        )
    return raw.membership.mask(spec.universe, raw.dates, raw.symbols) & quoted


def _float64(values: npt.NDArray[np.floating]) -> FloatArray:
    return np.asarray(values, dtype=np.float64)
