"""The operators of the formula language, one entry each (see `catalogue.Operator`).

An operator is a decorated numpy function in the file of its family (`elementwise`, `time_series`,
`cross_section`, `group` ...): everything that is known of it stands there. `recipes` say it once
more in the terms of table engines, and `kernels` in C++, by its name in `kernels/table.hpp`.
Imports nothing but errors.
"""

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
