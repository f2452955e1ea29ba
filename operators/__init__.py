"""The operators of the formula language, one entry each (see `catalogue.Operator`)."""

if __name__ != "alphamine.operators":
    raise ImportError(f"import alphamine.operators, not {__name__}")

from . import (
    compat,
    cross_section,
    elementwise,
    group,
    logic,
    path_dependent,
    time_series,
    time_series_lookup,
    time_series_pairs,
    time_series_shape,
)  # fmt: skip
from .catalogue import CATALOGUE, Catalogue, Family, Operator, get
from .types import UNITS, Input, Kind, Param, ParamValue, Unit

for _module in (
    elementwise, logic, time_series, time_series_pairs, time_series_shape, time_series_lookup,
    cross_section, group, path_dependent, compat,
):  # fmt: skip
    for _operator in _module.OPERATORS:
        CATALOGUE.add(_operator)

__all__ = [
    "CATALOGUE", "UNITS", "Catalogue", "Family", "Input", "Kind", "Operator", "Param",
    "ParamValue", "Unit", "get",
]  # fmt: skip
