"""The operators of the formula language, one entry each (see `catalogue.Operator`)."""

if __name__ != "alphamine.operators":
    raise ImportError(f"import alphamine.operators, not {__name__}")

from . import compat, cross_section, elementwise, group, time_series
from .catalogue import CATALOGUE, Catalogue, Family, Operator, get
from .types import UNITS, Input, Kind, Param, ParamValue, Unit

for _family in (elementwise, time_series, cross_section, group, compat):
    for _operator in _family.OPERATORS:
        CATALOGUE.add(_operator)

__all__ = [
    "CATALOGUE", "UNITS", "Catalogue", "Family", "Input", "Kind", "Operator", "Param",
    "ParamValue", "Unit", "get",
]  # fmt: skip
