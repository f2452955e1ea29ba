"""The signal of a day from prices: `python -m BUNDLE compute --input FILE --output FILE`.

Needs the library of one target that the bundle holds: pandas, Polars, DuckDB, or numpy with
pyarrow. Exit code 0: done; 2: the request or the input was wrong, and nothing was written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SCHEMA = 1
READ = ("targets", "inputs", "lookback")
NEEDS = {
    "polars": ("polars",),
    "pandas": ("pandas", "pyarrow"),
    "numpy": ("numpy", "pyarrow"),
    "duckdb": ("duckdb",),
}
# The oldest versions that run this code.
LEAST = {"polars": "1.37", "duckdb": "2.0"}


class Refused(Exception):
    """What is asked for cannot be computed; the message is one line."""


_NOBODY = (
    "the column universe is false throughout; give the universe that the formulas were found on"
)


def read_spec() -> dict[str, Any]:
    """The specification, after a check that the bundle is as it was exported."""
    try:
        spec: dict[str, Any] = json.loads((HERE / "spec.json").read_text(encoding="utf-8"))
        schema, files, *_ = spec["schema"], dict(spec["files"]), *(spec[key] for key in READ)
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


def is_installed(module: str) -> bool:
    """Whether a library is here, in a version that runs this code."""
    if not find_spec(module):
        return False
    found, least = (
        [int(part) for part in text.split(".")[:2]]
        for text in (version(module), LEAST.get(module, "0.0"))
    )
    return found >= least


def chosen_target(spec: dict[str, Any], asked: str | None) -> str:
    """The target that is asked for, or the first whose library is installed."""
    held = [target for target in NEEDS if target in spec["targets"]]
    if not held:
        raise Refused(
            f"no code here computes from a file (targets: {', '.join(spec['targets'])}); export "
            f"with one of {', '.join(NEEDS)}"
        )
    if asked is not None and asked not in held:
        raise Refused(f"the bundle holds {', '.join(held)}, but target {asked!r} was asked for")
    for target in [asked] if asked else held:
        if all(is_installed(module) for module in NEEDS[target]):
            return target
    wanted = " or ".join(
        " with ".join(
            f"{module} {LEAST[module]} or later" if module in LEAST else module
            for module in NEEDS[target]
        )
        for target in ([asked] if asked else held)
    )
    raise Refused(f"one of these libraries has to be installed: {wanted}")


def load_readers() -> Any:
    """The module of the bundle that reads prices, once its hash has been checked."""
    sys.path.insert(0, str(HERE))
    try:
        return import_module("readers")
    finally:
        sys.path.pop(0)


def opened(target: str, path: Path, spec: dict[str, Any]) -> Any:
    """Prices that keep the laws of the bundle."""
    if not path.is_file():
        raise Refused(f"{path} is no file to read; give the prices as one Parquet file")
    readers = load_readers()
    library, failure = readers.FAILURES[target]
    try:
        prices = readers.READERS[target](path, HERE)
    except (getattr(import_module(library), failure), OSError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else repr(error)
        raise Refused(f"{path} cannot be read as Parquet: {first}") from None
    columns = [*prices.kinds]
    needed = ["date", "symbol", *(field["name"] for field in spec["inputs"])]
    lacking = [name for name in needed if name not in columns]
    if lacking:
        raise Refused(f"{path} has no column {lacking[0]!r}; it needs {', '.join(needed)}")
    wanted = {"date": "date", "symbol": "symbol"}
    wanted |= {"universe": "universe"} if "universe" in columns else {}
    for name, kind in {**wanted, **{f["name"]: f["kind"] for f in spec["inputs"]}}.items():
        if prices.kinds[name] not in (*readers.KINDS[kind], "nothing"):
            raise Refused(
                f"the column {name!r} of {path} has to hold {' or '.join(readers.KINDS[kind])}, "
                f"but it holds {prices.kinds[name]}"
            )
    for field in spec["inputs"]:
        name, counts = field["name"], prices.kinds[field["name"]] == "number"
        if field["unit"] == "price" and counts and not prices.positive(name):
            raise Refused(
                f"the column {name!r} of {path} holds prices of zero or less, which are none; make "
                "them missing"
            )
    for name in wanted:
        if prices.incomplete(name):
            raise Refused(f"{path} has rows without a value of {name!r}; fill or drop them")
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
    for date in dates:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
            raise Refused(f"dates are written as 2026-11-27, but the input has {date!r}")
    for date, following in pairwise(dates):
        if date == following:
            raise Refused(
                f"the rows of {date} are of more than one time of day; give each day one date"
            )
    if asked is None:
        if len(days) <= lookback:
            raise Refused(
                f"the signal needs {lookback} days of history before its day, but the input has "
                f"{len(days)} days"
            )
        if not any(map(prices.members, days[lookback:])):
            raise Refused(f"no symbol counts on any day: {_NOBODY}")
        return days[lookback:]
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", asked):
        raise Refused(f"dates are written as 2026-11-27, but {asked!r} was asked for")
    if asked not in dates:
        raise Refused(f"the input has no rows of {asked}; it ends at {dates[-1] if dates else '-'}")
    place = dates.index(asked)
    if place < lookback:
        raise Refused(
            f"the signal of {asked} needs {lookback} days of history before it, but the input has "
            f"{place}"
        )
    if not prices.members(days[place]):
        raise Refused(f"no symbol counts on {asked}: {_NOBODY}")
    return [days[place]]


def compute(arguments: argparse.Namespace) -> str:
    """Write the signal; returns what to say."""
    spec = read_spec()
    if not arguments.output.parent.is_dir():
        raise Refused(f"{arguments.output.parent} is no directory to write to; make it first")
    if arguments.output.resolve() == arguments.input.resolve():
        raise Refused(f"the signal would replace the prices in {arguments.input}; name another")
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
