"""From a specification to raw arrays: its source, and the tables beside it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from alphamine.data import spec as parts
from alphamine.data.keys import DayStyle
from alphamine.data.parts import DayParts, TextParts
from alphamine.data.paths import variables
from alphamine.data.spec import Spec, mapping
from alphamine.data.wording import listing
from alphamine.errors import DataError

from .adjustment import conventional_columns, required_columns
from .base import Wanted
from .raw import RawData


def read_source(spec: Spec) -> RawData:
    """Everything that a specification points to, as it is in the files.

    Raises
    ------
    DataError, MissingDependency
    """
    require_inputs(spec)
    raw = spec.source.read(_wanted(spec))
    if spec.membership is not None:
        raw = replace(raw, membership=_membership(spec.membership))
    if spec.groups is not None:
        raw = replace(raw, groups=_groups(spec.groups, raw))
    return raw


def inputs(spec: Spec) -> list[Path]:
    """The files and directories that a specification reads, whose change makes a cache stale."""
    beside = [part.path for part in (spec.membership, spec.groups) if part and part.path]
    return [*spec.source.inputs(), *beside]


def require_inputs(spec: Spec) -> None:
    """Refuse a specification whose files are not there, before any of them is looked into."""
    for path in inputs(spec):
        if os.path.isfile(path) or os.path.isdir(path):
            continue
        # What is no file (a device, a pipe) may never end.
        law = "is neither a file nor a folder" if os.path.exists(path) else "does not exist"
        raise DataError(
            f"dataset {spec.name!r} needs {path}, which {law}; {_remedy(spec.written(path))}"
        )
    spec.source.check()


def _remedy(written: str) -> str:
    """What to do about a path that leads nowhere."""
    known = variables(written)
    if not known:
        return f"put it there, or correct the path {written!r} in the specification"
    name, value = next(iter(known.items()))
    state = "which is not set" if value is None else f"which is {value!r} now"
    return (
        f"set the environment variable {name}, {state}, to where it is, or put it there: the path "
        f"is written {written!r}"
    )


def _wanted(spec: Spec) -> Wanted:
    """What a specification reads of its source."""
    fields = () if spec.fields is None else mapping(spec.fields).values()
    return Wanted(
        numbers=(*fields, *required_columns(spec), *spec.limits.columns.values()),
        labels=() if spec.groups is None or spec.groups.path else spec.groups.columns,
        conventional=conventional_columns(spec),
        others=spec.fields is None,
        repair=tuple(spec.repair),
    )


def _side_table(part: Any, columns: tuple[str, ...]) -> Any:
    """The named columns of a membership or groups file: keys and days, all of them."""
    from .files import read_table
    from .selection import named

    kind = "parquet" if part.path.suffix == ".parquet" else "csv"
    return read_table(part.path, kind, named(columns), columns, _format(part))


def _format(part: TextParts) -> Any:
    from .files import TextFormat
    from .numbers import NumberStyle

    return TextFormat(part.delimiter, part.encoding, NumberStyle())


def _day_style(part: DayParts) -> DayStyle:
    return DayStyle(part.date_format, part.timezone)


def _membership(part: parts.MembershipFile) -> Any:
    from .tables import membership_from

    columns = (part.index, part.symbol, part.start, part.end)
    return membership_from(_side_table(part, columns), *columns, _day_style(part))


def _groups(part: parts.GroupsFile, raw: RawData) -> dict[str, np.ndarray[Any, np.dtype[np.str_]]]:
    from .columns import read_keys

    names = mapping(part.fields)
    if part.path is None:
        groups = {name: label for name, label in raw.groups.items() if name not in part.columns}
        return groups | {name: raw.label(column) for name, column in names.items()}
    table = _side_table(part, (part.symbol, *part.columns))
    symbols = read_keys(table, part.symbol).tolist()
    groups = dict(raw.groups)
    for name, column in names.items():
        known = dict(zip(symbols, read_keys(table, column).tolist(), strict=True))
        if len(known) < len(symbols):
            raise DataError(f"{part.path} must have one row per symbol, but some occur twice")
        labels = [known.get(s, "") for s in raw.symbols.tolist()]
        if not any(labels):
            raise DataError(
                f"{part.path} has no {column} of any symbol with prices: it has such as "
                f"{listing(map(repr, symbols[:2]))}, the prices {raw.symbols[0].item()!r}; write "
                "the same keys in both"
            )
        groups[name] = np.array(labels, dtype=np.str_)
    return groups
