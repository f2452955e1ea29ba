"""What `Panel.from_arrays` and `Panel.from_frame` are told besides the data, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from alphamine.errors import DataError, nearest
from alphamine.operators import Unit
from alphamine.operators.types import UNITS

from .costs import Costs
from .labels import LabelSpec
from .periods import check_periods
from .splits import Splits
from .wording import brief, listing

# The label's settings, under the names that a specification gives them.
_LABEL: Final = tuple(field.name for field in fields(LabelSpec))
_TYPES: Final[dict[str, tuple[tuple[type, ...], str]]] = {
    "label_spec": ((LabelSpec,), "a LabelSpec"),
    "splits": ((Splits, Mapping), "a mapping of train, valid and test to dates"),
    "masks": ((Mapping,), "a mapping of names to arrays"),
    "units": ((Mapping,), "a mapping of fields to units"),
    "costs": ((Costs, Mapping), "a mapping of buy, sell and minimum to numbers"),
    "notes": ((Mapping,), "a mapping of names to values"),
    "name": ((str,), "a text"),
    "factor": ((object,), "an array"),
    "min_names": ((int,), "a whole number"),
    "periods": ((int,), "a whole number"),
}


def panel_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that were given, as the objects that a panel has; None is left out.

    Raises
    ------
    DataError
        Names the setting that is unknown, or is not what it should be.
    """
    known = (*_TYPES, *_LABEL)
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        raise DataError(
            f"a panel has no setting {unknown!r}; it has {', '.join(sorted(known))}"
            f"{nearest(unknown, known)}"
        )
    settings = {name: value for name, value in given.items() if value is not None}
    for name, (kinds, words) in _TYPES.items():
        if name in settings and not isinstance(settings[name], kinds):
            raise DataError(f"{name} is {words}, but got {brief(repr(settings[name]))}")
    label = {name: settings.pop(name) for name in _LABEL if name in settings}
    if label and "label_spec" in settings:
        raise DataError(f"give either label_spec or {listing(label)}")
    if label:
        settings["label_spec"] = LabelSpec(**label)
    if "periods" in settings:
        check_periods(settings["periods"])
    settings["units"] = {name: _unit(name, x) for name, x in settings.get("units", {}).items()}
    if isinstance(settings.get("costs"), Mapping):
        settings["costs"] = _costs(settings["costs"])
    return settings


def _unit(name: str, unit: object) -> Unit | None:
    if unit is None or isinstance(unit, Unit):
        return unit
    if isinstance(unit, str) and unit in UNITS:
        return UNITS[unit]
    raise DataError(f"the unit of {name!r} is one of {', '.join(UNITS)}, but got {unit!r}")


def _costs(given: Mapping[str, Any]) -> Costs:
    known = [field.name for field in fields(Costs)]
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        raise DataError(f"costs are {', '.join(known)}, but got {unknown!r}")
    return Costs(**given)
