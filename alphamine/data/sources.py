"""From a specification's source to raw arrays: one reader per kind."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from alphamine.errors import DataError

from . import spec as parts
from .raw import RawData
from .spec import Spec, mapping


def read_source(spec: Spec) -> RawData:
    """Everything that a specification points to, as it is in the files.

    Raises
    ------
    DataError, MissingDependency
    """
    require_inputs(spec)
    raw = _read(spec.source, spec.repair)
    if spec.membership is not None:
        raw = replace(raw, membership=_membership(spec.membership))
    if spec.groups is not None:
        raw = replace(raw, groups={**raw.groups, **_groups(spec.groups, raw)})
    return raw


def inputs(spec: Spec) -> list[Path]:
    """The files and directories that a specification reads, whose change makes a cache stale."""
    paths = _source_inputs(spec.source)
    paths += [part.path for part in (spec.membership, spec.groups) if part is not None]
    return paths


def require_inputs(spec: Spec) -> None:
    """Refuse a specification whose files are not there."""
    for path in inputs(spec):
        if not path.exists():
            raise DataError(
                f"dataset {spec.name!r} needs {path}, which does not exist; check the path in the "
                "specification, and the environment variable in it if there is one"
            )


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


def _read(source: Any, repair: Collection[str]) -> RawData:
    match source:
        case parts.TableSource(files=None):
            return _read_long(source, repair)
        case parts.TableSource(files=files):
            from .tables import wide_to_raw

            tables = {name: _table(path, source) for name, path in (files or {}).items()}
            return wide_to_raw(tables, source.date, repair, source.date_format)
        case parts.DuckdbSource():
            from .duckdb_sql import query_table
            from .tables import long_to_raw

            table = query_table(source.query, source.files, source.database)
            return long_to_raw(table, source.date, source.symbol, repair)
        case parts.QlibSource():
            from .qlib_dir import read_qlib

            return read_qlib(source.path, source.frequency)
    from .synthetic import generate
    from .synthetic_settings import MarketSettings

    return generate(MarketSettings.from_mapping(source.params))


def _read_long(source: parts.TableSource, repair: Collection[str]) -> RawData:
    from .tables import concat, long_to_raw

    files: list[Path] = []
    for path in _source_inputs(source):
        files += sorted(path.glob(f"*.{source.kind}")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"there is no .{source.kind} file in {source.path}")
    table = concat(_table(path, source) for path in files)
    return long_to_raw(table, source.date, source.symbol, repair, source.date_format)


def _table(path: Path, source: parts.TableSource | None = None) -> Any:
    """A Parquet or CSV file as an Arrow table."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    kind = source.kind if source else path.suffix.lstrip(".")
    try:
        if kind == "parquet":
            return parquet.read_table(path)
        options = csv.ParseOptions(delimiter=source.delimiter if source else ",")
        # Names such as NA or TRUE are texts: a symbol must not become missing or a boolean.
        texts = {source.symbol: pa.string()} if source else {}
        convert = csv.ConvertOptions(column_types=texts, strings_can_be_null=False)
        return csv.read_csv(path, parse_options=options, convert_options=convert)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"cannot read {path} as {kind}: {error}") from None


def _membership(part: parts.MembershipFile) -> Any:
    from .tables import membership_from

    return membership_from(_table(part.path), part.index, part.symbol, part.start, part.end)


def _groups(part: parts.GroupsFile, raw: RawData) -> dict[str, np.ndarray[Any, np.dtype[np.str_]]]:
    from .tables import to_texts

    table = _table(part.path)
    columns = mapping(part.fields)
    for name in (part.symbol, *columns.values()):
        if name not in table.column_names:
            raise DataError(
                f"{part.path} has no column {name!r}; it has {', '.join(table.column_names)}"
            )
    symbols = to_texts(table[part.symbol], part.symbol).tolist()
    groups = {}
    for name, column in columns.items():
        known = dict(zip(symbols, to_texts(table[column], column).tolist(), strict=True))
        if len(known) < len(symbols):
            raise DataError(f"{part.path} must have one row per symbol, but some occur twice")
        groups[name] = np.array([known.get(s, "") for s in raw.symbols.tolist()], dtype=np.str_)
    return groups
