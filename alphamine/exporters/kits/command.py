"""The signal of a day from prices: `python -m BUNDLE compute --input FILE --output FILE`.

Needs the library of one target that the bundle holds: pandas, Polars, DuckDB, or numpy with
pyarrow. Exit code 0: done; 2: the request or the input was wrong, and nothing was written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SCHEMA = 1
NEEDS = {
    "polars": ("polars",),
    "pandas": ("pandas", "pyarrow"),
    "numpy": ("numpy", "pyarrow"),
    "duckdb": ("duckdb",),
}


class Refused(Exception):
    """What is asked for cannot be computed; the message is one line."""


def read_spec() -> dict[str, Any]:
    """The specification, after a check that the bundle is as it was exported."""
    try:
        spec: dict[str, Any] = json.loads((HERE / "spec.json").read_text(encoding="utf-8"))
        schema, files = spec["schema"], dict(spec["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"spec.json cannot be read ({error!r}); export the bundle again") from None
    if not isinstance(schema, int) or schema > SCHEMA:
        raise Refused(
            f"spec.json has schema {schema!r} and this code reads schema {SCHEMA}; use the code "
            "that was exported with it"
        )
    for name, expected in files.items():
        try:
            found = hashlib.sha256((HERE / name).read_bytes()).hexdigest()
        except OSError:
            raise Refused(f"{name} is missing from the bundle; copy it whole") from None
        if found != expected:
            raise Refused(f"{name} was changed after the export (its hash differs); export again")
    return spec


def chosen_target(spec: dict[str, Any], asked: str | None) -> str:
    """The target that is asked for, or the first whose library is installed."""
    held = [target for target in NEEDS if target in spec["targets"]]
    if asked is not None and asked not in held:
        raise Refused(f"the bundle holds {', '.join(held)}, but target {asked!r} was asked for")
    for target in [asked] if asked else held:
        if all(find_spec(module) for module in NEEDS[target]):
            return target
    wanted = " or ".join(" with ".join(NEEDS[t]) for t in ([asked] if asked else held))
    raise Refused(f"one of these libraries has to be installed: {wanted}")


class Pandas:
    """Reads, computes and writes with pandas."""

    def __init__(self, path: Path) -> None:
        self.library = import_module("pandas")
        self.prices = self.library.read_parquet(path)

    def columns(self) -> list[str]:
        return [*map(str, self.prices.columns)]

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
        return module("pandas").signal(self.prices)

    def write(self, result: Any, days: list[Any], path: Path) -> int:
        part = result[result["date"].isin(days)]
        part.to_parquet(path, index=False)
        return len(part)


class Polars:
    """Reads, computes and writes with Polars."""

    def __init__(self, path: Path) -> None:
        self.library = import_module("polars")
        self.prices = self.library.read_parquet(path)

    def columns(self) -> list[str]:
        return [*self.prices.columns]

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
        return module("polars").signal(self.prices.lazy()).collect()

    def write(self, result: Any, days: list[Any], path: Path) -> int:
        part = result.filter(self.library.col("date").is_in(days))
        part.write_parquet(path)
        return len(part)


class DuckDB:
    """Reads, computes and writes with DuckDB."""

    def __init__(self, path: Path) -> None:
        self.library = import_module("duckdb")
        self.connection = self.library.connect()
        self.connection.execute(
            "CREATE TABLE source AS SELECT * FROM read_parquet($1, file_row_number = true)",
            [str(path)],
        )
        self.connection.execute("CREATE VIEW prices AS FROM source")

    def ask(self, query: str, *given: Any) -> list[Any]:
        return [*self.connection.execute(query, [*given]).fetchall()]

    def columns(self) -> list[str]:
        return [row[0] for row in self.ask("SELECT column_name FROM (DESCRIBE source)")]

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
        text = (HERE / "signal.sql").read_text(encoding="utf-8")
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

    def __init__(self, path: Path) -> None:
        self.np = import_module("numpy")
        self.parquet = import_module("pyarrow.parquet")
        table = self.parquet.read_table(path)
        self.prices = {
            name: self.np.asarray(table[name].to_numpy(zero_copy_only=False))
            for name in table.column_names
        }

    def columns(self) -> list[str]:
        return [*self.prices]

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
        code, np = module("numpy"), self.np
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


def module(target: str) -> Any:
    """The generated code of a target."""
    sys.path.insert(0, str(HERE))
    try:
        return import_module(f"signal_{target}")
    finally:
        sys.path.pop(0)


def opened(target: str, path: Path, spec: dict[str, Any]) -> Any:
    """Prices that keep the laws of the bundle."""
    library, failure = FAILURES[target]
    try:
        prices = READERS[target](path)
    except (getattr(import_module(library), failure), OSError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else repr(error)
        raise Refused(f"{path} cannot be read as Parquet: {first}") from None
    columns = prices.columns()
    needed = ["date", "symbol", *(field["name"] for field in spec["inputs"])]
    lacking = [name for name in needed if name not in columns]
    if lacking:
        raise Refused(f"{path} has no column {lacking[0]!r}; it needs {', '.join(needed)}")
    if "universe" not in columns:
        prices.default_universe()
    if not prices.in_order():
        raise Refused(f"the rows of {path} are not in order of date; sort them")
    if prices.repeated():
        raise Refused(f"{path} has more than one row of a symbol on a date; keep one of them")
    return prices


def chosen_days(prices: Any, spec: dict[str, Any], asked: str | None) -> list[Any]:
    """The days that are asked for, each with the history that it needs."""
    days: list[Any] = prices.days()
    lookback = int(spec["lookback"])
    dates = [str(day)[:10] for day in days]
    if asked is None:
        if len(days) <= lookback:
            raise Refused(
                f"the signal needs {lookback} days of history before its day, but the input has "
                f"{len(days)} days"
            )
        return days[lookback:]
    if asked not in dates:
        raise Refused(f"the input has no rows of {asked}; it ends at {dates[-1] if dates else '-'}")
    place = dates.index(asked)
    if place < lookback:
        raise Refused(
            f"the signal of {asked} needs {lookback} days of history before it, but the input has "
            f"{place}"
        )
    if not prices.members(days[place]):
        raise Refused(
            f"no symbol counts on {asked}: the column universe is false throughout; give the "
            "universe that the formulas were found on"
        )
    return [days[place]]


def compute(arguments: argparse.Namespace) -> str:
    """Write the signal; returns what to say."""
    spec = read_spec()
    target = chosen_target(spec, arguments.target)
    prices = opened(target, arguments.input, spec)
    days = chosen_days(prices, spec, arguments.date)
    result = prices.signal()
    part = arguments.output.with_name(f".{arguments.output.name}.{os.getpid()}")
    try:
        rows = prices.write(result, days, part)
        os.replace(part, arguments.output)
    except OSError as error:
        raise Refused(f"{arguments.output} cannot be written: {error}") from None
    finally:
        part.unlink(missing_ok=True)
    return f"{arguments.output}: {rows} rows of {len(days)} days, computed with {target}"


def main() -> int:
    """Read the arguments and obey; returns the exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m {HERE.name}", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("compute", help="write the signal")
    command.add_argument("--input", type=Path, required=True, help="prices (Parquet)")
    command.add_argument("--output", type=Path, required=True, help="Parquet file to write")
    command.add_argument("--date", help="one day, such as 2026-11-27; all by default")
    command.add_argument("--target", choices=[*NEEDS], help="which code computes")
    commands.add_parser("verify", help="check that the bundle is as it was exported")
    arguments = parser.parse_args()
    try:
        if arguments.command == "verify":
            sys.stdout.write(f"{len(read_spec()['files'])} files are as they were exported\n")
        else:
            sys.stdout.write(compute(arguments) + "\n")
    except Refused as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
