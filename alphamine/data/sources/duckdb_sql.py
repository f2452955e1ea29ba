"""Tables from a DuckDB query. DuckDB is optional and imported here only."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from pyarrow import ArrowException, dataset

from alphamine.data.validate import check_name
from alphamine.errors import DataError
from alphamine.extras import require

from .columns import UTC
from .files import read_table
from .kinds import DuckdbSource
from .selection import every_column

_OFFSET: Final = re.compile("([+-])([0-9]{2}):?([0-9]{2})")


def query_table(source: DuckdbSource, texts: Collection[str] = ()) -> Any:
    """The rows of a query as an Arrow table.

    The query sees each of `source.files` (Parquet or CSV) as a table of that name, and the tables
    of `source.database` (opened read-only). It can reach no other file, no network and no
    extension.

    DuckDB keeps no offset from UTC. Moments with one in a file are seen without it, as the clock of
    their place shows them; if `source.timezone` is given, and in databases, as those of that clock
    (or of UTC).

    Parameters
    ----------
    source : DuckdbSource
    texts : collection of str
        Columns of CSV files that are texts however they look.

    Raises
    ------
    MissingDependency
        If DuckDB is not installed.
    DataError
        If a file cannot be read or the query fails.
    """
    duckdb = require("duckdb", "a duckdb source needs", "DuckDB", "sql")
    database = source.database
    try:
        connection = duckdb.connect(str(database or ":memory:"), read_only=database is not None)
    except duckdb.Error as error:
        raise DataError(f"cannot open the database {database}: {error}") from None
    with connection:
        try:
            connection.execute("SET python_enable_replacements = false")
            connection.execute("SET TimeZone = ?", [source.timezone or "UTC"])
            for name, path in source.files.items():
                _register(connection, check_name(name), path, source.timezone, texts)
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            rows = connection.sql(source.query)
            if rows is None:
                raise DataError("the query of a duckdb source must be a SELECT")
            return rows.to_arrow_table()
        except (duckdb.Error, ArrowException, ValueError, OSError) as error:
            raise DataError(f"the query of the duckdb source fails: {error}") from None


def _register(
    connection: Any, name: str, path: Path, timezone: str | None, texts: Collection[str]
) -> None:
    if path.suffix != ".parquet":
        connection.register(name, read_table(path, "csv", every_column, texts, others="unknown"))
        return
    table = dataset.dataset(path, format="parquet")
    zones = {field.name: getattr(field.type, "tz", None) for field in table.schema}
    local = [
        f"{_local(_quoted(column), zone)} AS {_quoted(column)}"
        for column, zone in zones.items()
        if not (zone is None or zone in UTC or timezone)
    ]
    if not local:
        connection.register(name, table)
        return
    connection.register(f"{name} as stored", table)
    connection.execute(
        f"CREATE TEMP VIEW {_quoted(name)} AS SELECT * REPLACE ({', '.join(local)}) "  # noqa: S608
        f"FROM {_quoted(f'{name} as stored')}"  # whatever comes from outside is quoted
    )


def _local(column: str, zone: str) -> str:
    """SQL for moments as the clock of an Arrow time zone (a place, or an offset) shows them."""
    offset = _OFFSET.fullmatch(zone)
    if offset is None:
        return f"timezone({_quoted(zone, chr(39))}, {column})"
    sign, hours, minutes = offset.groups()
    return f"timezone('UTC', {column}) + INTERVAL ({sign}{int(hours) * 60 + int(minutes)}) MINUTE"


def _quoted(text: str, mark: str = '"') -> str:
    return mark + text.replace(mark, mark * 2) + mark
