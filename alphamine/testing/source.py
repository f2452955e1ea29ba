"""The source contract: laws that every source of data keeps, ours and a plug-in's.

Each law takes a source and raises `DataError` with the law and what broke it; `check_source` runs
them all on the data that the source leads to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from alphamine.data.dataset.compose import compose
from alphamine.data.sources.base import Source, Wanted
from alphamine.data.sources.raw import RawData
from alphamine.data.spec import Spec
from alphamine.errors import DataError

_MASKS: Final = ("limit_up", "limit_down", "suspended")
_EVERYTHING: Final = Wanted()


def check_source(keys: Mapping[str, Any], folder: Path | None = None) -> None:
    """Put a source to the test on data that it can read.

    Parameters
    ----------
    keys : mapping
        As below `source` in a specification: a `kind` that is registered or of an installed
        package, and what goes with it.
    folder : Path, optional
        Where relative paths start; the working directory by default.

    Raises
    ------
    DataError
        For the first broken law.
    """
    source = _made(keys, folder)
    if source.model_config.get("extra") != "allow":
        _refuses_unknown_keys(keys, folder)
    for law in LAWS:
        law(source)


def _made(keys: Mapping[str, Any], folder: Path | None) -> Source:
    context = {"folder": (folder or Path()).absolute(), "written": {}}
    try:
        spec = Spec.model_validate({"name": "check", "source": dict(keys)}, context=context)
    except ValidationError as error:
        raise DataError(f"a specification with these keys is valid, but: {error}") from None
    return spec.source


def _refuses_unknown_keys(keys: Mapping[str, Any], folder: Path | None) -> None:
    try:
        _made({**keys, "no_such_key_": 1}, folder)
    except DataError:
        return
    raise DataError("unknown keys of a source are refused, but no_such_key_ was taken")


def names_its_inputs(source: Source) -> None:
    """Its files exist, and its keys are plain values: a cached panel is found by both."""
    for path in source.inputs():
        if not isinstance(path, Path) or not path.exists():
            raise DataError(f"inputs are paths of files and folders that exist, but got {path!r}")
    try:
        json.dumps(source.model_dump(mode="json"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"the keys of a source are plain values of YAML, but {error}") from None
    source.check()


def is_well_formed(source: Source) -> None:
    """Arrays of one shape, days in order, symbols in order, names that occur once."""
    raw = _read(source, _EVERYTHING)
    days = raw.dates
    if days.dtype != np.dtype("datetime64[D]") or days.ndim != 1 or not len(days):
        raise DataError(f"dates are days, (T,) datetime64[D], but got {days.dtype}, {days.shape}")
    if np.isnat(days).any() or not (days[1:] > days[:-1]).all():
        raise DataError("dates are in order, each once, but some are not")
    symbols = raw.symbols.tolist()
    if raw.symbols.dtype.kind != "U" or "" in symbols or symbols != sorted(set(symbols)):
        raise DataError("symbols are texts in order, each once, but some are not")
    shape = (len(days), len(symbols))
    if not raw.columns:
        raise DataError("a source has a column of numbers, but there is none")
    for name, array in raw.columns.items():
        _is(f"the column {name!r}", array, "f", shape)
    for name, labels in raw.groups.items():
        _is(f"the group {name!r}", labels, "U", shape[1:])
    for name, mask in raw.masks.items():
        _is(f"the mask {name!r}", mask, "b", shape)
        if name not in _MASKS:
            raise DataError(f"masks are {', '.join(_MASKS)}, but there is {name!r}")
    try:
        json.dumps(dict(raw.notes), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"notes are JSON values, but {error}") from None


def _is(what: str, array: npt.NDArray[Any], kind: str, shape: tuple[int, ...]) -> None:
    names = {"f": "numbers (float)", "U": "texts", "b": "true or false"}
    if not isinstance(array, np.ndarray) or array.dtype.kind != kind or array.shape != shape:
        given = f"{getattr(array, 'dtype', type(array))} of shape {getattr(array, 'shape', None)}"
        raise DataError(f"{what} is an array of {names[kind]} of shape {shape}, but got {given}")


def reads_alike(source: Source) -> None:
    """The same data at every call: nothing is drawn, and nothing handed out is read again."""
    first = _read(source, _EVERYTHING)
    kept = [(name, array.copy()) for name, array in _arrays(first)]
    for _, array in _arrays(first):
        if array.flags.writeable:
            array[...] = np.zeros_like(array)
    _same("every reading gives the same", kept, _arrays(_read(source, _EVERYTHING)))


def gives_what_is_wanted(source: Source) -> None:
    """A column that is asked for by name is there, with the numbers that it always has."""
    whole = _read(source, _EVERYTHING)
    for name, column in list(whole.columns.items())[:3]:
        for wanted in (
            Wanted(numbers=(name,), others=False),
            Wanted(conventional=(name, "no_such_column_"), others=False),
        ):
            few = _read(source, wanted)
            if name not in few.columns:
                raise DataError(f"a column that is wanted is there, but {name!r} was left out")
            if few.dates.shape == whole.dates.shape and few.symbols.shape == whole.symbols.shape:
                law = "a column has the same numbers whatever else is wanted"
                _same(law, [(name, column)], iter([(name, few.columns[name])]))


def can_be_opened(source: Source) -> None:
    """A specification that says nothing else makes a panel of it."""
    spec = Spec.model_validate({"name": "check", "source": source})
    try:
        compose(spec, _read(source, _EVERYTHING))
    except DataError as error:
        raise DataError(f"the data make a panel, but {error}") from error


def _read(source: Source, wanted: Wanted) -> RawData:
    raw = source.read(wanted)
    if not isinstance(raw, RawData):
        raise DataError(f"read gives a RawData, but got {type(raw).__name__}")
    return raw


def _arrays(raw: RawData) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    yield "dates", raw.dates
    yield "symbols", raw.symbols
    for role, arrays in (("column", raw.columns), ("group", raw.groups), ("mask", raw.masks)):
        for name, array in arrays.items():
            yield f"the {role} {name!r}", array


def _same(
    law: str, want: list[tuple[str, npt.NDArray[Any]]], got: Iterator[tuple[str, npt.NDArray[Any]]]
) -> None:
    found = dict(got)
    for name, array in want:
        other = found.get(name)
        nan = array.dtype.kind == "f"
        if other is None or not np.array_equal(array, other, equal_nan=nan):
            raise DataError(f"{law}, but {name} differs")


Law = Callable[[Source], None]
LAWS: Final[tuple[Law, ...]] = (
    names_its_inputs,
    is_well_formed,
    reads_alike,
    gives_what_is_wanted,
    can_be_opened,
)
