"""From arrays to a panel, checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.errors import DataError

from .given import aligned
from .keys import DayStyle, key_of
from .labels import LabelSpec
from .panel import Panel
from .settings import panel_settings
from .splits import Splits
from .validate import (
    Dates,
    Symbols,
    check_dates,
    check_field,
    check_mask,
    check_name,
    check_order,
    check_shape,
    check_symbols,
    check_universe,
    is_price,
    unmasked,
)

Array = npt.NDArray[Any]


def panel_from_arrays(
    dates: npt.ArrayLike,
    symbols: npt.ArrayLike,
    fields: Mapping[str, npt.ArrayLike],
    universe: npt.ArrayLike | None,
    groups: Mapping[str, npt.ArrayLike] | None,
    settings: Mapping[str, Any],
) -> Panel:
    """See `Panel.from_arrays`."""
    options = dict(settings)
    style = DayStyle(options.pop("date_format", None), options.pop("timezone", None))
    days = check_dates(dates, style)
    return build_panel(days, symbols, fields, universe, groups, options)


def build_panel(
    dates: npt.ArrayLike,
    symbols: npt.ArrayLike,
    fields: Mapping[str, npt.ArrayLike],
    universe: npt.ArrayLike | None,
    groups: Mapping[str, npt.ArrayLike] | None,
    settings: Mapping[str, Any],
    index: str = "all",
) -> Panel:
    """A checked panel; arrays are copied and read-only afterwards.

    The members of an `index` may begin after the first day and end before the last one, since its
    list may be shorter than the prices; a day without members in between is refused.
    """
    settings = panel_settings(settings)
    for what, arrays in (("fields", fields), ("groups", groups or {})):
        if not isinstance(arrays, Mapping):
            raise DataError(f"{what} are a mapping of names to arrays, but got {type(arrays)}")
    days, names = check_dates(dates), check_symbols(symbols)
    if not fields:
        raise DataError("a panel needs at least one field, such as close")
    units = settings["units"]
    columns = {
        check_name(name): frozen(check_field(name, values, days, names, is_price(name, units)))
        for name, values in fields.items()
    }
    if universe is None:
        members = np.logical_or.reduce([np.isfinite(column) for column in columns.values()])
    else:
        members = check_mask("the universe", universe, days, names)
    check_universe(members, days, f"universe {index!r}", ends=index not in ("all", "tradable"))
    codes, group_names = encode_groups(groups or {}, days, names, taken=columns)
    masks = {
        name: frozen(check_mask(f"mask {name!r}", mask, days, names))
        for name, mask in settings.get("masks", {}).items()
    }
    factor = settings.get("factor")
    if factor is not None:
        factor = frozen(check_field("factor", factor, days, names, price=True))
    rest = {key: settings[key] for key in ("costs", "notes", "name", "periods") if key in settings}
    label = settings.get("label_spec", LabelSpec())
    if label.residual is not None:
        label.residual.require_groups(codes, settings.get("name", "panel"))
    content = fingerprint([days, names, *columns.values(), members, *codes.values()], columns)
    return Panel(
        days,
        names,
        columns,
        frozen(members),
        codes,
        group_names,
        masks,
        units,
        label,
        splits=make_splits(settings.get("splits"), days, label),
        factor=factor,
        min_names=check_min_names(settings.get("min_names", 10)),
        dataset=content,
        fingerprint=content,
        **rest,
    )


def make_splits(
    splits: Splits | Mapping[str, Any] | None, dates: Dates, label: LabelSpec
) -> Splits | None:
    """Row ranges that fit these dates and this label."""
    if splits is None:
        return None
    if isinstance(splits, Mapping):
        return Splits.from_dates(dates, splits, label.reach)
    last = max(r[1] for r in (splits.train, splits.valid, splits.test) if r is not None)
    if last > len(dates):
        raise DataError(f"splits end at row {last}, but the panel has {len(dates)} rows")
    # Checked again with the gap that this label needs.
    return Splits(splits.train, splits.valid, splits.test, max(splits.gap, label.reach))


def check_min_names(value: object) -> int:
    """A count of names: correlations need two."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 2:
        raise DataError(f"min_names is a whole number of at least 2, but got {value!r}")
    return value


def encode_groups(
    groups: Mapping[str, npt.ArrayLike], dates: Dates, symbols: Symbols, taken: Mapping[str, Any]
) -> tuple[dict[str, npt.NDArray[np.int32]], dict[str, tuple[str, ...]]]:
    """Integer codes (T, N), -1 for none, and the names behind them in sorted order.

    Labels are (N,) or (T, N): texts ("" and None are none) or whole numbers (negative is none).
    """
    codes: dict[str, npt.NDArray[np.int32]] = {}
    names: dict[str, tuple[str, ...]] = {}
    for name, values in groups.items():
        if check_name(name) in taken:
            raise DataError(f"{name!r} is both a field and a group; rename one of them")
        check_order(name, values, dates, symbols)
        labels = unmasked(values)
        whole = labels.dtype.kind in "iu"
        if not whole:
            labels = text_labels(name, labels)
        if labels.shape == (len(symbols),):
            labels = np.broadcast_to(labels, (len(dates), len(symbols)))
        check_shape(f"group {name!r}", labels, dates, symbols)
        # One row is enough where labels never change; a broadcast costs no memory.
        static = labels.strides[0] == 0
        some = labels[:1] if static else labels
        known, inverse = np.unique(some, return_inverse=True)
        none = int((known < 0).sum() if whole else (known == "").sum())
        found = np.maximum(inverse.reshape(some.shape) - none, -1).astype(np.int32)
        codes[name] = frozen(np.broadcast_to(found, labels.shape) if static else found)
        names[name] = tuple(str(label) for label in known[none:])
    return codes, names


def text_labels(name: str, labels: Array) -> npt.NDArray[np.str_]:
    """Labels of a group as texts, "" for none; whole numbers are their digits, also as floats.

    Raises
    ------
    DataError
        If they are something else.
    """
    if labels.dtype.kind == "U":
        return labels
    try:
        known, places = (
            np.unique(labels, return_inverse=True)
            if labels.dtype.kind == "f"
            else (labels.ravel(), np.arange(labels.size))
        )
        return np.array([key_of(x) for x in known])[places].reshape(labels.shape)
    except ValueError as error:
        raise DataError(f"group {name!r} must be texts or whole numbers: {error}") from None


def frozen(array: Any) -> Any:
    """A read-only array that nobody else can write to (broadcasts stay broadcasts)."""
    own = array if 0 in array.strides and array.size else np.array(array, order="C")
    view = own.view()
    view.setflags(write=False)
    return view


def fingerprint(arrays: list[Array], names: Any) -> str:
    """128-bit hexadecimal hash of contents, types and shapes."""
    digest = hashlib.blake2b(json.dumps(list(names)).encode(), digest_size=16)
    for array in arrays:
        if 0 in array.strides:
            array = array[:1]
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


def with_field(panel: Panel, name: str, values: Any, unit: str | None, exchange: bool) -> Panel:
    """See `Panel.with_field`."""
    check_name(name)
    if name in panel.groups or (name in panel.columns and not exchange):
        raise DataError(
            f"panel {panel.name!r} has a field {name!r} already; give another name, or "
            "replace=True to exchange a field of numbers"
        )
    units = dict(panel.units)
    if unit is not None:
        units |= panel_settings({"units": {name: unit}})["units"]
    what = f"the values of {name!r}"
    array = check_field(
        name, aligned(values, panel, what), panel.dates, panel.symbols, is_price(name, units)
    )
    return replace(
        panel,
        columns={**panel.columns, name: array},
        units=units,
        # No specification knows of the field, so none can load the panel again.
        source={},
        fingerprint=fingerprint([array], [panel.fingerprint, name, str(unit)]),
    )
