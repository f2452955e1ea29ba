"""Small datasets of every kind of source, damaged at random: each number of a kind is one case."""

from __future__ import annotations

import datetime
import decimal
import gzip
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml
from pyarrow import parquet

DAYS = np.busday_offset("2020-01-01", np.arange(16), roll="forward")
SYMBOLS = ("AA", "BB", "CC", "DD", "NA")
BARS = ("open", "high", "low", "close", "volume")

HUGE = ("9" * 400, "1e999", "-1e-999", "170141183460469231731687303715884105728", "0x1f", "1e308")
TEXTS = (
    "",
    " ",
    "--",
    "None",
    "NaN",
    "inf",
    "\0",
    "a\nb",
    '"',
    "a,b",
    "é€",
    "日本",
    "\ud7ff",
    "x" * 3000,
    "1,234",
    "12/31/2019",
    "9999-99-99",
    "0000-00-00",
    "2020-01-01 00:00:00+08:00",
    "TRUE",
    "and",
    "../../etc",
    *HUGE,
)
# What no cell of a table should be, and a specification's key neither.
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    3.5,
    float("nan"),
    float("inf"),
    10**30,
    -(2**63),
    1e-320,
    *TEXTS,
    b"\xff\xfe",
    datetime.date(1, 1, 1),
    datetime.datetime(9999, 12, 31, 23, 59),
    datetime.timedelta(days=1),
    decimal.Decimal("1e40"),
    [],
    [1, [2]],
    {"a": 1},
    np.datetime64("NaT", "ns"),
)


@dataclass
class Case:
    """A dataset on disk, and what was done to it."""

    folder: Path
    spec: dict[str, Any] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    tables: dict[str, Any] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.folder / "spec.yaml"


def market() -> pd.DataFrame:
    """Long prices of five symbols over sixteen days."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({
        "date": np.tile(DAYS, len(SYMBOLS)), "symbol": np.repeat(SYMBOLS, len(DAYS)),
        **{name: 10 + rng.random(len(DAYS) * len(SYMBOLS)) for name in BARS},
    })  # fmt: skip
    return frame.assign(adj_factor=1.0, sector=np.repeat(["x", "x", "y", "y", "y"], len(DAYS)))


# --- tables -------------------------------------------------------------------------------------


def _column(frame: pd.DataFrame, rng: Random) -> int:
    return rng.randrange(frame.shape[1]) if frame.shape[1] else 0


def _replaced(frame: pd.DataFrame, place: int, values: Any) -> pd.DataFrame:
    parts = [frame.iloc[:, i] for i in range(frame.shape[1])]
    parts[place] = pd.Series(values, index=frame.index, name=parts[place].name)
    return pd.concat(parts, axis=1)


def one_cell(frame: pd.DataFrame, rng: Random) -> pd.DataFrame:
    place, values = _column(frame, rng), []
    if frame.size:
        values = list(frame.iloc[:, place].astype(object))
        values[rng.randrange(len(values))] = rng.choice(VALUES)
        frame = _replaced(frame, place, pd.Series(values, index=frame.index, dtype=object))
    return frame


def whole_column(frame: pd.DataFrame, rng: Random) -> pd.DataFrame:
    if not frame.shape[1]:
        return frame
    value, count = rng.choice(VALUES), len(frame)
    mixed = [rng.choice(VALUES) for _ in range(count)]
    kinds: list[Callable[[], Any]] = [
        lambda: pd.Series([value] * count, index=frame.index, dtype=object),
        lambda: pd.Series(mixed, index=frame.index, dtype=object),
        lambda: [str(x) for x in mixed],
        lambda: np.arange(count) % 7 == 0,
        lambda: np.arange(count, dtype=np.int64) * 10**15,
        lambda: np.full(count, rng.choice([0.0, -1.0, 1e308, np.nan, np.inf])),
        lambda: pd.Categorical(["a", None] * (count // 2) + ["b"] * (count % 2)),
        lambda: pd.array([decimal.Decimal(1)] * count, dtype=pd.ArrowDtype(pa.decimal128(30, 2))),
        lambda: pd.to_timedelta(np.arange(count), unit="D"),
        lambda: pd.date_range("1700-01-01", periods=count, tz=rng.choice([None, "Asia/Tokyo"])),
        lambda: pd.array(np.arange(count) % 3, dtype="Int8"),
    ]
    return _replaced(frame, _column(frame, rng), rng.choice(kinds)())


def headers(frame: pd.DataFrame, rng: Random) -> pd.DataFrame:
    names = [str(name) for name in frame.columns]
    if names:
        odd = [*TEXTS, *names, *map(str.upper, names), "ts_mean", "date", "Adj Close", "ticker"]
        names[rng.randrange(len(names))] = rng.choice(odd)
    return frame.set_axis(names, axis=1)


def columns(frame: pd.DataFrame, rng: Random) -> pd.DataFrame:
    order = list(range(frame.shape[1]))
    rng.shuffle(order)
    return frame.iloc[:, order[: rng.randint(0, len(order))] if rng.random() < 0.5 else order]


def rows(frame: pd.DataFrame, rng: Random) -> pd.DataFrame:
    count = len(frame)
    order = [rng.randrange(count) for _ in range(count)] if count else []
    kinds: list[Any] = [order, [], [0] if count else [], sorted(order), list(range(count))[::-1]]
    return frame.iloc[rng.choice(kinds)]


TABLE_DAMAGES = (one_cell, one_cell, whole_column, whole_column, headers, columns, rows)


def damaged_table(frame: pd.DataFrame, rng: Random, done: list[str]) -> pd.DataFrame:
    for _ in range(rng.choice([1, 1, 2])):
        damage = rng.choice(TABLE_DAMAGES)
        frame = damage(frame, rng)
        done.append(damage.__name__)
    return frame


def as_arrow(frame: pd.DataFrame) -> pa.Table:
    """An Arrow table; what Arrow has no type for becomes text."""
    arrays = []
    for i in range(frame.shape[1]):
        values = frame.iloc[:, i]
        try:
            arrays.append(pa.array(values, from_pandas=True))
        except (pa.ArrowException, OverflowError, TypeError, ValueError):
            texts = [str(x).encode("utf-8", "replace").decode() for x in values]
            arrays.append(pa.array(texts))
    return pa.Table.from_arrays(arrays, names=[str(name) for name in frame.columns])


# --- files --------------------------------------------------------------------------------------


def write_csv(frame: pd.DataFrame, path: Path, **options: Any) -> None:
    text = frame.to_csv(index=False, **options).encode("utf-8", "surrogatepass")
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    parquet.write_table(as_arrow(frame), path)


def write(frame: pd.DataFrame, path: Path) -> None:
    (write_parquet if path.suffix == ".parquet" else write_csv)(frame, path)


def flipped(data: bytes, rng: Random) -> bytes:
    broken = bytearray(data)
    for _ in range(rng.choice([1, 2, 8, 64])):
        if broken:
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
    return bytes(broken)


def nuls(data: bytes, rng: Random) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + b"\0" * rng.choice([1, 2, 500]) + data[at:]


def recoded(data: bytes, rng: Random) -> bytes:
    text = data.decode("latin-1")
    kind = rng.choice(["utf-16", "utf-32", "utf-8-sig", "utf-7", "cp500"])
    return text.encode(kind, "replace") + rng.choice([b"", b"\xff", "é".encode("gbk")])


def ragged(data: bytes, rng: Random) -> bytes:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    lines[at] = rng.choice([
        lines[at] + b",1,2", lines[at].rpartition(b",")[0], b'"' + lines[at], b"", b"\r",
        lines[at].replace(b",", b";"), lines[at] * 3, b",".join([b"1"] * 5000), lines[at][::-1],
    ])  # fmt: skip
    return rng.choice([b"\n", b"\r\n", b"\r"]).join(lines)


def replaced(data: bytes, rng: Random) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.randbytes(rng.choice([1, 4, 200])) + data[at + rng.randint(0, 300) :]


FILE_DAMAGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    flipped,
    flipped,
    flipped,
    nuls,
    recoded,
    ragged,
    replaced,
    lambda data, rng: data[: rng.randint(0, len(data))],
    lambda data, rng: b"",
    lambda data, rng: rng.randbytes(rng.choice([1, 100, 5000])),
    lambda data, rng: data + data,
    lambda data, rng: b"\n" * 1000,
)


def damage_file(path: Path, rng: Random, done: list[str]) -> None:
    number = rng.randrange(len(FILE_DAMAGES) + 2)
    done.append(f"{path.name}: {number}")
    if number < len(FILE_DAMAGES):
        path.write_bytes(FILE_DAMAGES[number](path.read_bytes(), rng))
    else:
        path.unlink()
        if number > len(FILE_DAMAGES):
            path.mkdir()


# --- kinds of source ----------------------------------------------------------------------------


def _long(name: str) -> Callable[[Case, Random], None]:
    def build(case: Case, rng: Random) -> None:
        kind = "parquet" if name.endswith("parquet") else "csv"
        case.tables[name] = market()
        case.spec["source"] = {"kind": kind, "path": name}

    return build


def _wide(suffix: str) -> Callable[[Case, Random], None]:
    def build(case: Case, rng: Random) -> None:
        frame = market()
        for name in ("close", "volume"):
            wide = frame.pivot(index="date", columns="symbol", values=name).reset_index()
            case.tables[f"{name}.{suffix}"] = wide
        files = {name: f"{name}.{suffix}" for name in ("close", "volume")}
        case.spec["source"] = {"kind": suffix, "files": files}

    return build


def _qlib(case: Case, rng: Random) -> None:
    root = case.folder / "qlib"
    for part in ("calendars", "instruments", "features"):
        (root / part).mkdir(parents=True)
    (root / "calendars" / "day.txt").write_text("".join(f"{day}\n" for day in DAYS))
    lines = [f"{symbol}\t{DAYS[0]}\t{DAYS[-1]}\n" for symbol in SYMBOLS]
    (root / "instruments" / "big.txt").write_text("".join(lines))
    for symbol in SYMBOLS:
        folder = root / "features" / symbol.lower()
        folder.mkdir()
        for name in BARS:
            values = np.append(0, np.arange(len(DAYS)) + 10).astype("<f4")
            values.tofile(folder / f"{name}.day.bin")
    case.spec |= {"source": {"kind": "qlib", "path": "qlib"}, "universe": "big"}
    case.files += sorted(path for path in root.rglob("*") if path.is_file())


def _duckdb_file(case: Case, rng: Random) -> None:
    import duckdb

    in_table = rng.random() < 0.5
    table = as_arrow(damaged_table(market(), rng, case.done) if in_table else market())
    query = "SELECT * FROM prices"
    with duckdb.connect(str(case.folder / "prices.db")) as connection:
        try:
            connection.register("given", table)
            connection.execute("CREATE TABLE prices AS SELECT * FROM given")
        except duckdb.Error:
            query = "SELECT 1"
    case.spec["source"] = {"kind": "duckdb", "database": "prices.db", "query": query}
    if not in_table:  # DuckDB's checksums find every flipped bit
        case.files.append(case.folder / "prices.db")


def _duckdb_query(case: Case, rng: Random) -> None:
    name = rng.choice(["prices.csv", "prices.parquet"])
    case.tables[name] = market()
    query = "SELECT * FROM prices ORDER BY symbol, date"
    case.spec["source"] = {"kind": "duckdb", "files": {"prices": name}, "query": query}


def _membership(case: Case, rng: Random) -> None:
    _long("prices.csv")(case, rng)
    members = pd.DataFrame({
        "index_name": "big", "symbol": SYMBOLS, "start": str(DAYS[0]), "end": str(DAYS[-1]),
    })  # fmt: skip
    name = rng.choice(["members.csv", "members.parquet"])
    case.spec |= {"membership": {"path": name}, "universe": "big"}
    case.tables = {name: members}
    write(market(), case.folder / "prices.csv")


def _groups(case: Case, rng: Random) -> None:
    _long("prices.csv")(case, rng)
    name = rng.choice(["sectors.csv", "sectors.parquet"])
    case.spec["groups"] = {"path": name, "fields": {"industry": "code"}}
    case.tables = {name: pd.DataFrame({"symbol": SYMBOLS, "code": list("abcde")})}
    write(market(), case.folder / "prices.csv")


def _yaml(case: Case, rng: Random) -> None:
    write(market(), case.folder / "prices.csv")
    case.spec |= FULL
    if rng.random() < 0.3:
        for key in ("fields", "groups", "calendar", "limits", "splits"):
            del case.spec[key]
        case.spec["source"] = {
            "kind": "synthetic", "days": 40, "symbols": 12, "sectors": 2, "seed": 1,
            "planted": [{"formula": "ts_mean(close, 3)", "strength": 0.001}],
            "effect": {"lag": 2, "days": 3, "decay": 0.5},
        }  # fmt: skip
    text = yaml.safe_dump(nonsense(case.spec, rng, case.done), allow_unicode=True)
    case.path.write_text(text, encoding="utf-8", errors="replace")
    if rng.random() < 0.3:
        damage_file(case.path, rng, case.done)


FULL: dict[str, Any] = {
    "description": "all keys", "fields": {"close": "close", "volume": "volume", "open": "open"},
    "source": {
        "kind": "csv", "path": "prices.csv", "date": "date", "symbol": "symbol",
        "date_format": "%Y-%m-%d", "encoding": "utf-8", "delimiter": ",", "missing": ["--"],
        "thousands": ",",
    },
    "units": {"open": "price"}, "repair": ["duplicates", "order", "bad_prices"],
    "adjustment": {"factor": "adj_factor", "volume_adjusted": True}, "universe": "all",
    "groups": {"fields": ["sector"]}, "calendar": {"min_quoted": 2, "start": "2020-01-01"},
    "limits": {"rules": [{"change": 0.1, "prefixes": ["A"], "since": "2020-01-05"}], "tick": 0.01},
    "splits": {"train": "2020-01-01"}, "label": {"horizon": 2, "delay": 1, "price": "close"},
    "costs": {"buy": 0.001, "sell": 0.001, "minimum": 1.0},
}  # fmt: skip

# Values that are right for some key, and for others not.
PLAUSIBLE = (
    1,
    2,
    3,
    0.5,
    1e-9,
    1e9,
    True,
    "close",
    "open",
    "volume",
    "sector",
    "tradable",
    "drop",
    "price",
    datetime.date(2020, 1, 3),
    "2020-01-10",
    ["close"],
    ["order"],
    {"close": "open"},
    {"buy": 0.5},
)
YAML_VALUES: tuple[Any, ...] = (
    *(
        value
        for value in VALUES
        if not isinstance(value, decimal.Decimal | np.datetime64 | datetime.timedelta)
    ),
    ".",
    "/",
    "~",
    "~nobody/x",
    "/dev/null",
    "/dev/zero",
    "${NOT_SET}",
    "${NOT_SET:-prices.csv}",
    "spec.yaml",
    "n" * 5000,
    "\0.csv",
    "%Q",
    "utf-7",
    "idna",
    "hex",
    "undefined",
    10**400,
    {3: 4},
    {"a": {"b": [None]}},
    ["x"] * 2000,
    {f"k{i}": i for i in range(2000)},
    ["close", 3, None],
)


def nonsense(spec: Any, rng: Random, done: list[str], way: str = "") -> Any:
    """A copy of a specification in which some key has a value that it should not have."""
    if isinstance(spec, dict) and spec and rng.random() < (0.8 if way else 0.98):
        key = rng.choice(list(spec))
        if rng.random() < 0.1:
            done.append(f"{way}.{key} renamed")
            odd = rng.choice([None, 3, "x", "", "kinds", key.upper()])
            return {odd if name == key else name: value for name, value in spec.items()}
        return spec | {key: nonsense(spec[key], rng, done, f"{way}.{key}")}
    if isinstance(spec, list) and spec and rng.random() < 0.6:
        return [nonsense(spec[0], rng, done, f"{way}[0]"), *spec[1:]]
    value = rng.choice(YAML_VALUES if rng.random() < 0.5 else PLAUSIBLE)
    done.append(f"{way} = {repr(value)[:60]}")
    return value


KINDS: dict[str, Callable[[Case, Random], None]] = {
    "csv": _long("prices.csv"), "csv.gz": _long("prices.csv.gz"), "parquet": _long("p.parquet"),
    "wide csv": _wide("csv"), "wide parquet": _wide("parquet"), "qlib": _qlib,
    "duckdb file": _duckdb_file, "duckdb query": _duckdb_query, "membership": _membership,
    "groups": _groups, "yaml": _yaml,
}  # fmt: skip


def build(kind: str, number: int, folder: Path) -> Case:
    """The damaged dataset of this kind and number, in an empty folder."""
    rng = Random(f"{kind} {number}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    case = Case(folder, {"name": "damaged", "min_names": 2, "label": {"horizon": 2}})
    KINDS[kind](case, rng)
    in_table = bool(case.tables) and rng.random() < 0.5
    hit = rng.choice(list(case.tables)) if in_table else ""
    for name, frame in case.tables.items():
        if name == hit:
            case.tables[name] = frame = damaged_table(frame, rng, case.done)
        write(frame, folder / name)
        case.files.append(folder / name)
    if kind != "yaml":
        if rng.random() < 0.3:
            case.spec["fields"] = ["close", "volume"]
        if rng.random() < 0.3:
            case.spec["repair"] = ["duplicates", "order", "bad_prices"]
        case.path.write_text(yaml.safe_dump(case.spec), encoding="utf-8")
        if case.files and not in_table:
            damage_file(rng.choice(case.files), rng, case.done)
    return case


def frames(number: int) -> tuple[Any, list[str]]:
    """A damaged frame of pandas, Arrow or polars, or a mapping of them."""
    rng, done = Random(f"frame {number}"), []
    table = damaged_table(market(), rng, done)
    kind = rng.randrange(5)
    done.append(f"frame of kind {kind}")
    if kind == 0:
        return table, done
    if kind == 1:
        return as_arrow(table), done
    if kind == 2:
        if find_spec("polars") is None:
            return table, done
        import polars as pl

        try:
            return pl.from_arrow(as_arrow(table)), done
        except pl.exceptions.PolarsError:  # what polars refuses is no case of ours
            return table, done
    if kind == 3:
        names = [name for name in table.columns if name not in ("date", "symbol")]
        return {name: table[["date", name]] if "date" in table else table for name in names}, done
    wide = table.iloc[:16].set_axis(range(len(table.iloc[:16])))
    return {"close": wide, rng.choice(["volume", "", "and", "x y"]): wide}, done
