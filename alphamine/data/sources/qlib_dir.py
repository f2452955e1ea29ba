"""qlib's data directories, read and written without qlib.

Layout (qlib 0.9): `calendars/day.txt`, one date a line; `instruments/<market>.txt`, one membership
span a line (symbol, start, end, separated by tabs, both ends inclusive); `features/<symbol>/
<field>.day.bin`, little-endian float32 of which the first is the calendar row of the second.
Symbols that Windows keeps for devices (PRN, CON, NUL ...) have folders that begin with `_qlib_`.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.data.keys import day_of
from alphamine.data.panel import Panel
from alphamine.data.wording import listing
from alphamine.errors import DataError, DataWarning

from .raw import Membership, RawData, require_room

_BIN = np.dtype("<f4")
_DEVICES: Final = frozenset(
    {"CON", "PRN", "AUX", "NUL", *(f"{port}{i}" for port in ("COM", "LPT") for i in range(10))}
)


def read_qlib(
    folder: Path, frequency: str = "day", wanted: Collection[str] | None = None
) -> RawData:
    """All symbols and the wanted fields of a qlib data directory; markets become indices.

    A symbol of `instruments` without features stays, without a value; a warning names it.

    Raises
    ------
    DataError
        Names the file that breaks the layout.
    """
    days = _calendar(folder / "calendars" / f"{frequency}.txt")
    membership = _instruments(folder / "instruments")
    symbols = np.array(sorted(set(membership.symbol.tolist())), dtype=np.str_)
    require_room(len(days), len(symbols), 1 if wanted is None else len(wanted))
    columns: dict[str, npt.NDArray[np.floating]] = {}
    absent: list[str] = []
    for j, symbol in enumerate(symbols.tolist()):
        paths = sorted(_features(folder, symbol).glob(f"*.{frequency}.bin"))
        if not paths:
            absent.append(symbol)
        for path in paths:
            name = path.name.removesuffix(f".{frequency}.bin")
            if wanted is not None and name not in wanted:
                continue
            start, values = _read_bin(path, len(days))
            if name not in columns:
                columns[name] = np.full((len(days), len(symbols)), np.nan, dtype=np.float32)
            columns[name][start : start + len(values), j] = values
    if not columns:
        raise DataError(f"{folder} has no features/*/*.{frequency}.bin; is it a qlib directory?")
    if absent:
        warnings.warn(
            f"{len(absent)} of {len(symbols)} names of {folder / 'instruments'} have no "
            f"features/*/*.{frequency}.bin and so no value: {listing(absent)}; take them out, or "
            "add their files",
            DataWarning,
            stacklevel=2,
        )
    return RawData(days, symbols, columns, membership=membership)


def write_qlib(panel: Panel, folder: Path, market: str = "universe") -> None:
    """Write a panel as a qlib data directory.

    Fields become float32 bins of one span per symbol (its first to its last observation of any
    field), prices as formulas see them; the factor becomes `factor`. Markets: `all`, and `market`
    with the panel's universe as spans. qlib has no groups: they become fields of codes, missing for
    none. Masks are left out.

    Raises
    ------
    DataError
        If symbols are not usable as file names, or the directory exists and is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty; choose a new directory")
    names = [_safe(symbol) for symbol in panel.symbols.tolist()]
    if len({name.lower() for name in names}) < len(names):
        raise DataError("qlib's directories do not distinguish upper and lower case in symbols")
    columns = dict(panel.columns)
    if panel.factor is not None:
        columns["factor"] = panel.factor
    present = np.logical_or.reduce([np.isfinite(column) for column in columns.values()])
    columns |= {name: np.where(codes < 0, np.nan, codes) for name, codes in panel.groups.items()}
    for part in ("calendars", "instruments", "features"):
        (folder / part).mkdir(parents=True)
    days = [str(day) for day in panel.dates]
    _write_lines(folder / "calendars" / "day.txt", days)
    spans = []
    for j, name in enumerate(names):
        rows = np.flatnonzero(present[:, j])
        if not len(rows):
            continue
        first, last = int(rows[0]), int(rows[-1])
        spans.append(f"{name}\t{days[first]}\t{days[last]}")
        features = folder / "features" / _folder_name(name)
        features.mkdir()
        for field, column in columns.items():
            path = features / f"{field.lower()}.day.bin"
            np.append(first, column[first : last + 1, j]).astype(_BIN).tofile(path)
    _write_lines(folder / "instruments" / "all.txt", spans)
    if market != "all":
        lines = [line for j, name in enumerate(names) for line in _spans(panel, j, name, days)]
        _write_lines(folder / "instruments" / f"{_safe(market)}.txt", lines)


def _calendar(path: Path) -> npt.NDArray[np.datetime64]:
    lines = _lines(path)
    try:
        days = np.array([day_of(line) for line in lines], dtype="datetime64[D]")
    except ValueError as error:
        raise DataError(f"{path} must have one date a line: {error}") from None
    if len(days) == 0 or (np.diff(days.astype(np.int64)) <= 0).any():
        raise DataError(f"{path} must have dates in increasing order")
    return days


def _instruments(folder: Path) -> Membership:
    rows: list[tuple[str, str, str, str]] = []
    for path in sorted(folder.glob("*.txt")):
        for number, line in enumerate(_lines(path), start=1):
            cells = line.split("\t")
            if len(cells) < 3:
                raise DataError(f"{path}, line {number}: needs symbol, start and end, got {line!r}")
            rows.append((path.stem, _safe(cells[0]), cells[1], cells[2]))
    if not rows:
        raise DataError(f"{folder} has no instruments; is it a qlib directory?")
    index, symbol, start, end = zip(*rows, strict=True)
    try:
        first = np.array([day_of(text) for text in start], dtype="datetime64[D]")
        # A span without an end lasts for ever.
        last = np.array([day_of(x.strip() or "9999-12-31") for x in end], dtype="datetime64[D]")
    except ValueError as error:
        raise DataError(f"{folder}: spans must have dates such as 2019-01-31: {error}") from None
    return Membership(np.array(index), np.array(symbol), first, last)


def _folder_name(symbol: str) -> str:
    prefix = "_qlib_" if symbol.upper() in _DEVICES else ""
    return f"{prefix}{symbol}".lower()


def _features(folder: Path, symbol: str) -> Path:
    """Where a symbol's files are: older directories have no prefix."""
    features = folder / "features" / _folder_name(symbol)
    return features if features.exists() else folder / "features" / symbol.lower()


def _read_bin(path: Path, days: int) -> tuple[int, npt.NDArray[np.float32]]:
    try:
        stored = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error}") from None
    if len(stored) % _BIN.itemsize:
        raise DataError(f"{path} is cut off: its size is not a multiple of {_BIN.itemsize} bytes")
    content: npt.NDArray[Any] = np.frombuffer(stored, dtype=_BIN)
    if len(content) == 0:
        return 0, content
    start = float(content[0])
    if not (start >= 0 and start.is_integer() and start + len(content) - 1 <= days):
        raise DataError(
            f"{path} starts at calendar row {start:g} with {len(content) - 1} values, but the "
            f"calendar has {days} rows"
        )
    return int(start), content[1:]


def _spans(panel: Panel, j: int, name: str, days: list[str]) -> Iterable[str]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], panel.universe[:, j], [0]]).astype(int)))
    for first, stop in edges.reshape(-1, 2):
        yield f"{name}\t{days[first]}\t{days[stop - 1]}"


def _safe(name: str) -> str:
    """A name that stays inside the directory when it becomes a path."""
    if not name or name in (".", "..") or not set(name).isdisjoint("/\\\t\n\0:"):
        raise DataError(f"qlib's directories cannot hold the name {name!r}")
    return name


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from None


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
