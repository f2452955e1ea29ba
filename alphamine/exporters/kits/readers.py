"""Prices as the command of a bundle reads them: a class for each library."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

# What columns may hold; an empty column may be of any kind.
KINDS = {
    "date": ("date", "text"),
    "symbol": ("text",),
    "universe": ("bool",),
    "number": ("number", "bool"),
    "boolean": ("number", "bool"),
    "group": ("text", "number"),
}
# Where the day begins, libraries would disagree.
ZONED = "dates with a time zone"


def once(names: Sequence[str], same: Callable[[str], str] = str) -> None:
    """Refuse two columns of one name: which of them counts would be chance."""
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(same(name), name)
        if other is not name:
            raise ValueError(f"its columns {other!r} and {name!r} have one name; drop one of them")


def arrow_kinds(path: Path) -> dict[str, str]:
    """What the columns of a Parquet file hold, by pyarrow."""
    types, schema = import_module("pyarrow").types, import_module("pyarrow.parquet").read_schema
    tests = {
        "bool": ("is_boolean",),
        "number": ("is_integer", "is_floating", "is_decimal"),
        "date": ("is_date", "is_timestamp"),
        "text": ("is_string", "is_large_string", "is_string_view", "is_dictionary"),
        "nothing": ("is_null",),
    }

    def kind(dtype: Any) -> str:
        if getattr(dtype, "tz", None) is not None:
            return ZONED
        fits = (k for k, names in tests.items() if any(getattr(types, n)(dtype) for n in names))
        return next(fits, str(dtype))

    columns = schema(path)
    once(columns.names)
    return {field.name: kind(field.type) for field in columns}


class Pandas:
    """Reads, computes and writes with pandas."""

    def __init__(self, path: Path, here: Path) -> None:
        self.here = here
        self.library = import_module("pandas")
        self.kinds = arrow_kinds(path)
        prices = self.library.read_parquet(path)
        indexed = any(name is not None for name in prices.index.names)
        self.prices = prices.reset_index() if indexed else prices

    def incomplete(self, column: str) -> bool:
        return bool(self.prices[column].isna().any())

    def positive(self, column: str) -> bool:
        return not (self.prices[column] <= 0).any()

    def default_universe(self) -> None:
        self.prices = self.prices.assign(universe=True)

    def in_order(self) -> bool:
        return bool(self.prices["date"].is_monotonic_increasing)

    def repeated(self) -> bool:
        return bool(self.prices.duplicated(["date", "symbol"]).any())

    def days(self) -> list[Any]:
        return [*self.prices["date"].drop_duplicates().sort_values()]

    def members(self, day: Any) -> int:
        rows = self.prices[self.prices["date"] == day]
        return int(rows["universe"].astype(bool).sum())

    def signal(self) -> Any:
        return sibling(self.here, "signal_pandas").signal(self.prices)

    def write(self, result: Any, days: list[Any], path: Path) -> int:
        part = result[result["date"].isin(days)]
        part.to_parquet(path, index=False)
        return len(part)


class Polars:
    """Reads, computes and writes with Polars."""

    def __init__(self, path: Path, here: Path) -> None:
        self.here = here
        self.library = import_module("polars")
        self.prices = self.library.read_parquet(path)
        self.kinds = {name: self.kind(dtype) for name, dtype in self.prices.schema.items()}

    def kind(self, dtype: Any) -> str:
        pl = self.library
        if dtype.is_numeric():
            return "number"
        if dtype in (pl.Date, pl.Datetime):
            return "date" if getattr(dtype, "time_zone", None) is None else ZONED
        names = {pl.Boolean: "bool", pl.String: "text", pl.Categorical: "text", pl.Null: "nothing"}
        return next((kind for known, kind in names.items() if dtype == known), str(dtype))

    def incomplete(self, column: str) -> bool:
        return bool(self.prices[column].null_count())

    def positive(self, column: str) -> bool:
        return not (self.prices[column] <= 0).any()

    def default_universe(self) -> None:
        self.prices = self.prices.with_columns(universe=self.library.lit(True))

    def in_order(self) -> bool:
        return bool(self.prices["date"].is_sorted())

    def repeated(self) -> bool:
        return bool(self.prices.select("date", "symbol").is_duplicated().any())

    def days(self) -> list[Any]:
        return [*self.prices["date"].unique().sort()]

    def members(self, day: Any) -> int:
        rows = self.prices.filter(self.library.col("date") == day)
        return int(rows["universe"].cast(self.library.Boolean).sum() or 0)

    def signal(self) -> Any:
        return sibling(self.here, "signal_polars").signal(self.prices.lazy()).collect()

    def write(self, result: Any, days: list[Any], path: Path) -> int:
        part = result.filter(self.library.col("date").is_in(days))
        part.write_parquet(path)
        return len(part)


class DuckDB:
    """Reads, computes and writes with DuckDB."""

    def __init__(self, path: Path, here: Path) -> None:
        self.here = here
        self.library = import_module("duckdb")
        self.connection = self.library.connect()
        # DuckDB itself would number columns of one name, capital letters or not.
        once(self.names(path), str.lower)
        self.connection.execute(
            "CREATE TABLE source AS SELECT * FROM read_parquet($1, file_row_number = true)",
            [str(path)],
        )
        self.connection.execute("CREATE VIEW prices AS FROM source")
        described = self.ask("SELECT column_name, column_type FROM (DESCRIBE source)")
        self.kinds = {name: self.kind(declared) for name, declared in described}

    def names(self, path: Path) -> list[str]:
        """Columns of a Parquet file, as they are called in it."""
        query = "SELECT name, coalesce(num_children, 0) FROM parquet_schema($1)"
        [_, *parts], names, inside = self.ask(query, str(path)), [], 0
        for name, children in parts:
            if inside:  # a part of a column
                inside -= 1
            else:
                names.append(str(name))
            inside += children
        return names

    def kind(self, declared: str) -> str:
        first = declared.split("(")[0].split(" ")[0]
        if first.endswith("INT") or first in ("INTEGER", "UINTEGER", "FLOAT", "DOUBLE", "DECIMAL"):
            return "number"
        if declared == "TIMESTAMP WITH TIME ZONE":
            return ZONED
        if first == "DATE" or first.startswith("TIMESTAMP"):
            return "date"
        names = {"BOOLEAN": "bool", "VARCHAR": "text", "ENUM": "text", '"NULL"': "nothing"}
        return names.get(first, declared)

    def incomplete(self, column: str) -> bool:
        return bool(self.ask(f"SELECT 1 FROM source WHERE {column} IS NULL LIMIT 1"))  # noqa: S608

    def positive(self, column: str) -> bool:
        name = column.replace('"', '""')
        return not self.ask(f'SELECT 1 FROM source WHERE "{name}" <= 0 LIMIT 1')  # noqa: S608

    def ask(self, query: str, *given: Any) -> list[Any]:
        return [*self.connection.execute(query, [*given]).fetchall()]

    def default_universe(self) -> None:
        query = "CREATE OR REPLACE VIEW prices AS SELECT *, TRUE AS universe FROM source"
        self.connection.execute(query)

    def in_order(self) -> bool:
        later = "SELECT lag(date) OVER (ORDER BY file_row_number) > date AS later FROM source"
        return not any(row[0] for row in self.ask(f"SELECT DISTINCT later FROM ({later})"))  # noqa: S608

    def repeated(self) -> bool:
        query = "SELECT 1 FROM source GROUP BY date, symbol HAVING count(*) > 1 LIMIT 1"
        return bool(self.ask(query))

    def days(self) -> list[Any]:
        return [row[0] for row in self.ask("SELECT DISTINCT date FROM source ORDER BY date")]

    def members(self, day: Any) -> int:
        query = "SELECT count(*) FROM prices WHERE date = $1 AND universe"
        return int(self.ask(query, day)[0][0])

    def signal(self) -> Any:
        text = (self.here / "signal.sql").read_text(encoding="utf-8")
        self.connection.execute(f"CREATE TABLE result AS {text}")
        return None

    def write(self, result: Any, days: list[Any], path: Path) -> int:
        self.connection.execute("CREATE TABLE wanted (date VARCHAR)")
        self.connection.executemany(
            "INSERT INTO wanted VALUES ($1)", [[str(day)[:10]] for day in days]
        )
        chosen = "FROM result WHERE CAST(CAST(date AS DATE) AS VARCHAR) IN (FROM wanted)"
        name = str(path).replace("'", "''")
        self.connection.execute(
            f"COPY (SELECT * {chosen} ORDER BY date, symbol) TO '{name}' (FORMAT parquet)"
        )
        return int(self.ask(f"SELECT count(*) {chosen}")[0][0])


class Numpy:
    """Computes with numpy; reads and writes with pyarrow."""

    def __init__(self, path: Path, here: Path) -> None:
        self.here = here
        self.np = import_module("numpy")
        self.parquet = import_module("pyarrow.parquet")
        self.kinds = arrow_kinds(path)
        self.table = self.parquet.read_table(path)
        self.prices = {
            name: self.np.asarray(self.plain(name).to_numpy(zero_copy_only=False))
            for name in self.table.column_names
        }

    def plain(self, name: str) -> Any:
        """A column without a dictionary: numpy would get the last word where none is."""
        column = self.table[name]
        coded = import_module("pyarrow").types.is_dictionary(column.type)
        return column.cast(column.type.value_type) if coded else column

    def incomplete(self, column: str) -> bool:
        return bool(self.table[column].null_count)

    def positive(self, column: str) -> bool:
        compute = import_module("pyarrow.compute")
        below = compute.less_equal(self.table[column].cast("float64"), 0.0)
        return not compute.any(below).as_py()

    def default_universe(self) -> None:
        self.prices["universe"] = self.np.ones(len(self.prices["date"]), dtype=bool)

    def in_order(self) -> bool:
        days = self.prices["date"]
        return bool((days[1:] >= days[:-1]).all())

    def repeated(self) -> bool:
        cells = self.cells()
        return len(self.np.unique(self.np.stack(cells), axis=1).T) < len(cells[0])

    def cells(self) -> tuple[Any, Any]:
        """Row and column of each price in a table of days by symbols."""
        self.dates, row = self.np.unique(self.prices["date"], return_inverse=True)
        names = self.prices["symbol"].astype(str)
        self.symbols, column = self.np.unique(names, return_inverse=True)
        return row, column

    def days(self) -> list[Any]:
        return [*self.np.unique(self.prices["date"])]

    def members(self, day: Any) -> int:
        return int(self.prices["universe"][self.prices["date"] == day].astype(bool).sum())

    def signal(self) -> Any:
        code, np = sibling(self.here, "signal_numpy"), self.np
        row, column = self.cells()
        shape = (len(self.dates), len(self.symbols))
        fields = {}
        for name in code.NUMBERS:
            fields[name] = np.full(shape, np.nan)
            fields[name][row, column] = self.prices[name].astype(np.float64)
        for name in code.GROUPS:
            labels = np.array(["" if v is None or v != v else str(v) for v in self.prices[name]])
            _, codes = np.unique(labels, return_inverse=True)
            fields[name] = np.full(shape, -1)
            fields[name][row, column] = np.where(labels == "", -1, codes)
        inside, seen = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        inside[row, column] = self.prices["universe"].astype(bool)
        seen[row, column] = True
        self.inside = inside
        return code.signal(fields, inside, np.logical_or.accumulate(seen, axis=0))

    def write(self, result: Any, days: list[Any], path: Path) -> int:
        inside = self.inside & self.np.isin(self.dates, days)[:, None]
        row, column = self.np.nonzero(inside)
        values = result[row, column]
        table = import_module("pyarrow").table(
            {"date": self.dates[row], "symbol": self.symbols[column], "signal": values}
        )
        self.parquet.write_table(table, path)
        return len(values)


READERS: dict[str, Any] = {"pandas": Pandas, "polars": Polars, "duckdb": DuckDB, "numpy": Numpy}
# What the readers' libraries raise of a file that they cannot read.
FAILURES = {
    "pandas": ("pyarrow", "ArrowException"),
    "polars": ("polars.exceptions", "PolarsError"),
    "duckdb": ("duckdb", "Error"),
    "numpy": ("pyarrow", "ArrowException"),
}


def sibling(here: Path, name: str) -> Any:
    """A module of the bundle."""
    sys.path.insert(0, str(here))
    try:
        return import_module(name)
    finally:
        sys.path.pop(0)
