"""From a specification's source to raw arrays: one reader per kind."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from alphamine.data import spec as parts
from alphamine.data.keys import DayStyle
from alphamine.data.paths import variables
from alphamine.data.spec import Spec, mapping
from alphamine.data.wording import listing
from alphamine.errors import DataError

from .adjustment import conventional_columns, required_columns
from .raw import RawData
from .selection import Selection


def read_source(spec: Spec) -> RawData:
    """Everything that a specification points to, as it is in the files.

    Raises
    ------
    DataError, MissingDependency
    """
    require_inputs(spec)
    raw = _read(spec)
    if spec.membership is not None:
        raw = replace(raw, membership=_membership(spec.membership))
    if spec.groups is not None:
        raw = replace(raw, groups=_groups(spec.groups, raw))
    return raw


def inputs(spec: Spec) -> list[Path]:
    """The files and directories that a specification reads, whose change makes a cache stale."""
    paths = _source_inputs(spec.source)
    paths += [part.path for part in (spec.membership, spec.groups) if part and part.path]
    return paths


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
    match spec.source:
        case parts.TableSource(kind=kind) as source:
            for path in _source_inputs(source):
                if path.is_dir() and not any(path.glob(f"*.{kind}")):
                    raise DataError(f"there is no .{kind} file in {path}")
        case parts.QlibSource(path=path):
            if not (path / "calendars").is_dir():
                raise DataError(f"{path} has no folder calendars; is it a qlib directory?")


def _remedy(written: str) -> str:
    """What to do about a path that leads nowhere."""
    known = variables(written)
    if not known:
        return f"correct the path {written!r} in the specification"
    name, value = next(iter(known.items()))
    state = "which is not set" if value is None else f"which is {value!r} now"
    return f"set the environment variable {name}, {state}: the path is written {written!r}"


def _source_inputs(source: Any) -> list[Path]:
    match source:
        case parts.TableSource(path=None, files=files):
            return list((files or {}).values())
        case parts.TableSource(path=path):
            return list(path) if isinstance(path, list) else [path] if path else []
        case parts.DuckdbSource(files=files, database=database):
            return [*files.values(), *([database] if database else [])]
        case parts.QlibSource(path=path):
            return [path]
    return sorted(Path(__file__).parent.glob("synthetic*.py"))  # its code is its input


def _selection(spec: Spec, source: Any) -> Selection:
    """The columns of a long source that a specification reads."""
    labels = () if spec.groups is None or spec.groups.path else spec.groups.columns
    conventional = conventional_columns(spec)
    return Selection(
        source.date, source.symbol, _numbers(spec), labels, conventional, spec.fields is None
    )


def _numbers(spec: Spec) -> tuple[str, ...]:
    """The number columns that a specification names."""
    fields = () if spec.fields is None else mapping(spec.fields).values()
    return (*fields, *required_columns(spec), *spec.limits.columns.values())


def _read(spec: Spec) -> RawData:
    source = spec.source
    match source:
        case parts.TableSource(files=None):
            return _read_long(spec, source)
        case parts.TableSource(files=files):
            return _read_wide(spec, source, files or {})
        case parts.DuckdbSource():
            from .duckdb_sql import query_table
            from .tables import long_to_raw, selected

            chosen = _selection(spec, source)
            table = query_table(source, chosen.texts)
            table = selected(table, chosen, "the query")
            return long_to_raw(table, chosen, spec.repair, _day_style(source), _style(source))
        case parts.QlibSource():
            from .qlib_dir import read_qlib

            wanted = {*_numbers(spec), *conventional_columns(spec)}
            everything = spec.fields is None
            return read_qlib(source.path, source.frequency, None if everything else wanted)
    from alphamine.data.synthetic.market import generate
    from alphamine.data.synthetic.settings import MarketSettings

    return generate(MarketSettings.from_mapping(source.params))


def _read_wide(spec: Spec, source: parts.TableSource, files: Mapping[str, Path]) -> RawData:
    from .files import read_table
    from .selection import dated, every_column
    from .tables import wide_to_raw

    chosen, how = _selection(spec, source).parts(list(files), "source.files"), _format(source)
    date = source.date
    picks, texts = (dated(date), (date,)) if source.kind == "csv" else (every_column, ())
    tables = {
        name: read_table(files[key], source.kind, picks, texts, how, "numbers")
        for key, name in chosen.items()
    }
    return wide_to_raw(tables, date, spec.repair, _day_style(source), _style(source))


def _read_long(spec: Spec, source: parts.TableSource) -> RawData:
    from .files import Others, read_table
    from .tables import concat, long_to_raw

    files: list[Path] = []
    for path in _source_inputs(source):
        files += sorted(path.glob(f"*.{source.kind}")) if path.is_dir() else [path]
    chosen = _selection(spec, source)
    how = _format(source)
    others: Others = "unknown" if chosen.others else "listed"
    table = concat(
        read_table(path, source.kind, chosen.columns, chosen.texts, how, others) for path in files
    )
    return long_to_raw(table, chosen, spec.repair, _day_style(source), _style(source))


def _side_table(part: Any, columns: tuple[str, ...]) -> Any:
    """The named columns of a membership or groups file: keys and days, all of them."""
    from .files import read_table
    from .selection import named

    kind = "parquet" if part.path.suffix == ".parquet" else "csv"
    return read_table(part.path, kind, named(columns), columns, _format(part))


def _format(part: Any) -> Any:
    from .files import TextFormat

    return TextFormat(part.delimiter, part.encoding, _style(part))


def _style(part: Any) -> Any:
    """How a source writes numbers; side files have none."""
    from .numbers import NumberStyle

    if isinstance(part, parts.NumberParts):
        return NumberStyle(tuple(part.missing), part.thousands)
    return NumberStyle()


def _day_style(part: parts.DayParts) -> DayStyle:
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
