"""The adjustment factor of a source: a column of its own, or a vendor's adjusted close."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from alphamine.data.spec import Spec, mapping
from alphamine.errors import DataError

from .raw import RawData

FloatArray = npt.NDArray[np.float64]

# Columns that are used unasked, where a specification says nothing of adjustment.
FACTOR: Final = "adj_factor"
ADJUSTED_CLOSE: Final = "Adj Close"
_ADJUSTING: Final = ("adjfactor", "adjclose", "adjustedclose", "closeadj")


def required_columns(spec: Spec) -> tuple[str, ...]:
    """Columns that the adjustment reads and the source must have."""
    part = spec.adjustment
    if part.adjusted_close is not None:
        return part.adjusted_close, _close(spec)
    asked = "factor" in part.model_fields_set and part.factor is not None
    return (str(part.factor),) if asked else ()


def conventional_columns(spec: Spec) -> tuple[str, ...]:
    """Columns that the adjustment reads if the source has them."""
    part = spec.adjustment
    if part.adjusted_close is not None or "factor" in part.model_fields_set:
        return ()
    # Fields that are listed are all that is read of a vendor's file.
    return (FACTOR, ADJUSTED_CLOSE) if spec.fields is None else (FACTOR,)


def field_columns(spec: Spec, raw: RawData) -> dict[str, str]:
    """Each field, and the source's column that it is."""
    if spec.fields is not None:
        return mapping(spec.fields)
    part = spec.adjustment
    used = {*conventional_columns(spec), part.factor, part.adjusted_close}
    names = [name for name in raw.columns if name not in used]
    if part.adjusted_close is None and "factor" not in part.model_fields_set:
        refuse_unused(
            names,
            "adjustment: {factor: NAME}",
            "adjustment: {adjusted_close: NAME}",
            "adjustment: {factor: null}",
        )
    return {name: name for name in names}


def refuse_unused(names: Iterable[str], factor: str, adjusted: str, otherwise: str) -> None:
    """Refuse columns that adjust prices as their names say, where nothing has said what they are.

    Raises
    ------
    DataError
        Prices would be taken as they are, and the column as a field.
    """
    for name in names:
        if re.sub(r"[^a-z]", "", name.lower()) in _ADJUSTING:
            say = (factor if "factor" in name.lower() else adjusted).replace("NAME", repr(name))
            raise DataError(
                f"column {name!r} is called like one that adjusts prices, but nothing says that it "
                f"does: say {say}, or, if prices are adjusted already, {otherwise}"
            )


def factor_of(spec: Spec, raw: RawData) -> FloatArray | None:
    """What prices are multiplied by, (T, N), or None."""
    part = spec.adjustment
    adjusted = part.adjusted_close
    if adjusted is None:
        known = [name for name in conventional_columns(spec) if name in raw.columns]
        name = (*required_columns(spec), *known, None)[0]
        if name is None:
            return None
        if name != ADJUSTED_CLOSE or part.factor == ADJUSTED_CLOSE:
            return np.asarray(raw.column(name), dtype=np.float64)
        adjusted = name
    close, adjusted_close = (
        np.asarray(raw.column(name), dtype=np.float64) for name in (_close(spec), adjusted)
    )
    if "bad_prices" in spec.repair:
        close, adjusted_close = _good(close), _good(adjusted_close)
    return vendor_factor(close, adjusted_close)


def vendor_factor(
    close: npt.NDArray[np.floating], adjusted_close: npt.NDArray[np.floating]
) -> FloatArray:
    """The factor that makes a close the vendor's adjusted one; bad prices give bad factors."""
    with np.errstate(all="ignore"):
        return np.asarray(adjusted_close, dtype=np.float64) / close


def _close(spec: Spec) -> str:
    """The source's column of the close as traded."""
    return mapping(spec.fields or {}).get("close", "close")


def _good(prices: FloatArray) -> FloatArray:
    return np.where((prices > 0) & np.isfinite(prices), prices, np.nan)
