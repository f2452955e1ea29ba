"""Tables from a DuckDB query. DuckDB is optional and imported here only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyarrow import ArrowException, dataset

from alphamine.errors import DataError
from alphamine.extras import require

from .validate import check_name


def query_table(query: str, files: Mapping[str, Path], database: Path | None) -> Any:
    """The rows of a query as an Arrow table.

    The query sees each of `files` (Parquet or CSV) as a table of that name, and the tables of
    `database` (opened read-only). It can reach no other file, no network and no extension.

    Raises
    ------
    MissingDependency
        If DuckDB is not installed.
    DataError
        If a file cannot be read or the query fails.
    """
    duckdb = require("duckdb", "a duckdb source needs", "DuckDB", "sql")
    try:
        connection = duckdb.connect(str(database or ":memory:"), read_only=database is not None)
    except duckdb.Error as error:
        raise DataError(f"cannot open the database {database}: {error}") from None
    with connection:
        try:
            connection.execute("SET python_enable_replacements = false")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            for name, path in files.items():
                kind = path.suffix.lstrip(".")
                connection.register(check_name(name), dataset.dataset(path, format=kind))
            rows = connection.sql(query)
            if rows is None:
                raise DataError("the query of a duckdb source must be a SELECT")
            return rows.to_arrow_table()
        except (duckdb.Error, ArrowException, ValueError, OSError) as error:
            raise DataError(f"the query of the duckdb source fails: {error}") from None
