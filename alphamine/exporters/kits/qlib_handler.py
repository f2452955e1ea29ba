"""The signal of this bundle in workflows of qlib: loader, processor, handler and model.

`python -m BUNDLE.qlib_handler --provider-uri DIR --market NAME --to values.parquet` computes the
formulas that qlib cannot say, as Parquet; with `--fields` as fields of the data directory.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import qlib
from qlib.config import C
from qlib.data import D
from qlib.data.dataset.handler import DataHandlerLP
from qlib.data.dataset.loader import DataLoader
from qlib.data.dataset.processor import Processor
from qlib.model.base import Model
from qlib.utils import code_to_fname

from . import qlib_signal  # type: ignore[attr-defined]

HERE = Path(__file__).resolve().parent
FACTORS: list[dict[str, Any]] = json.loads((HERE / "qlib_factors.json").read_text("utf-8"))
LABEL = ("Ref($close, -2)/Ref($close, -1) - 1", "LABEL0")


class Refused(ValueError):
    """What is asked for cannot be computed; the message is one line."""


class SignalLoader(DataLoader):  # type: ignore[misc]
    """A column a formula, `formula_1` and so on, and the label.

    Parameters
    ----------
    values : str, optional
        Where formulas of tier 3 are: a Parquet file, or "fields" of the data directory. Computed
        when they are loaded by default.
    label : (str, str), optional
        Expression and name; None for no label.
    freq : str
    """

    def __init__(
        self,
        values: str | None = None,
        label: tuple[str, str] | list[str] | None = LABEL,
        freq: str = "day",
    ) -> None:
        self.values = values
        self.label = label
        self.freq = freq

    def load(self, instruments: Any = None, start_time: Any = None, end_time: Any = None) -> Any:
        """A row for each date and instrument; formulas of tier 2 lack their last step."""
        market = named(instruments)
        asked = {row["name"]: row["expression"] for row in FACTORS if row["expression"]}
        rest = [row["name"] for row in FACTORS if not row["expression"]]
        if self.values == "fields":
            asked |= {name: f"${field_of(name, market)}" for name in rest}
        texts = [*asked.values(), *([self.label[0]] if self.label else ["$close"])]
        found = D.features(market, texts, start_time, end_time, freq=self.freq)
        found.columns = [*asked, self.label[1] if self.label else "$close"]
        frame = found.swaplevel().sort_index()
        if self.values == "fields":
            for name in rest:
                if not frame[name].notna().any():
                    raise Refused(
                        f"the data directory has no values of {asked[name]}; run python -m "
                        f"{HERE.name}.qlib_handler with --fields"
                    )
        elif rest and self.values is not None:
            until = frame.index.get_level_values("datetime").max()
            frame = frame.join(stored(self.values, rest, market, until))
        elif rest:
            frame = frame.join(computed(market, start_time, end_time, self.freq)[rest])
        features = frame[[row["name"] for row in FACTORS]]
        groups = {"feature": features}
        if self.label:
            groups["label"] = frame[[self.label[1]]]
        return pd.concat(groups, axis=1)


class CrossSection(Processor):  # type: ignore[misc]
    """Takes the last step of formulas of tier 2: a statistic of the day's names.

    Parameters
    ----------
    fields_group : str
    """

    def __init__(self, fields_group: str = "feature") -> None:
        self.fields_group = fields_group

    def __call__(self, df: Any) -> Any:
        """The frame with these columns replaced."""
        for name, step in qlib_signal.ACROSS.items():
            column = (self.fields_group, name)
            if column in df.columns:
                table = df[column].unstack()
                rows = pd.Series(True, df.index).unstack(fill_value=False)
                values = step(table.to_numpy(np.float64), rows.to_numpy(bool))
                df[column] = placed(values, table, df.index)
        return df


class SignalHandler(DataHandlerLP):  # type: ignore[misc]
    """The formulas of the bundle as features.

    Parameters
    ----------
    instruments : str or list
    start_time, end_time : str
    values, label, freq
        See `SignalLoader`.
    shared_processors, infer_processors, learn_processors : list
        Of qlib; they come after the last steps of formulas of tier 2.
    """

    def __init__(
        self,
        instruments: Any = "all",
        start_time: Any = None,
        end_time: Any = None,
        values: str | None = None,
        label: tuple[str, str] | list[str] | None = LABEL,
        freq: str = "day",
        shared_processors: Any = (),
        **settings: Any,
    ) -> None:
        super().__init__(
            instruments=instruments,
            start_time=start_time,
            end_time=end_time,
            data_loader=SignalLoader(values, label, freq),
            shared_processors=[CrossSection(), *shared_processors],
            **settings,
        )


class SignalModel(Model):  # type: ignore[misc]
    """The pool itself: its formulas, standardised each day and added up with its weights."""

    def fit(self, dataset: Any, reweighter: Any = None) -> None:
        """Nothing: the weights are those of the bundle."""

    def predict(self, dataset: Any, segment: Any = "test") -> pd.Series:
        """The signal of each date and instrument that has one."""
        frame = dataset.prepare(segment, col_set="feature", data_key=DataHandlerLP.DK_I)
        rows = pd.Series(True, frame.index).unstack(fill_value=False)
        given = {name: frame[name].unstack().to_numpy(np.float64) for name in frame.columns}
        signal = qlib_signal.combined(given, rows.to_numpy(bool))
        return placed(signal, rows, frame.index).dropna().rename("score")


def computed(
    market: Any, start_time: Any = None, end_time: Any = None, freq: str = "day"
) -> pd.DataFrame:
    """Values of all formulas by the numpy code, a row for each date and instrument that counts.

    Groups are fields of codes, NaN for none. Time-series operators see the days before `start_time`
    and days on which an instrument is not in the market.
    """
    market = named(market)
    names = D.list_instruments(market, start_time, end_time, freq=freq, as_list=True)
    if not names:
        raise Refused(f"no instrument of {market} has data from {start_time} to {end_time}")
    days = pd.DatetimeIndex(D.calendar(end_time=end_time, freq=freq))
    first = 0 if start_time is None else int(days.searchsorted(pd.Timestamp(start_time)))
    since = max(0, first - qlib_signal.LOOKBACK)
    index = days[since:]
    fields = [*qlib_signal.NUMBERS, *qlib_signal.GROUPS]
    texts = [f"${name}" for name in fields] or ["$close"]
    raw = D.features(sorted(names), texts, index[0], index[-1], freq=freq)
    tables = {
        name: raw[text].unstack(level=0).reindex(index=index, columns=sorted(names))
        for name, text in zip(fields or ["close"], texts, strict=True)
    }
    empty = [name for name, table in tables.items() if not table.notna().any(axis=None)]
    if empty:
        raise Refused(f"the data directory has no field {empty[0]!r}, which the formulas read")
    shape = (len(days) - since, len(names))
    inside, alive = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    every = D.list_instruments(D.instruments("all"), freq=freq, as_list=False)
    members = D.list_instruments(market, freq=freq, as_list=False)
    for column, name in enumerate(sorted(names)):
        for begin, end in members[name]:
            inside[index.slice_indexer(begin, end), column] = True
        born = min(begin for begin, _ in every.get(name, members[name]))
        alive[int(index.searchsorted(pd.Timestamp(born))) :, column] = True
    arrays = {name: table.to_numpy(np.float64) for name, table in tables.items()}
    for name in qlib_signal.GROUPS:
        arrays[name] = np.where(np.isnan(arrays[name]), -1, arrays[name])
    values = qlib_signal.values(arrays, inside, alive)
    kept = inside & (np.arange(since, len(days)) >= first)[:, None]
    row, place = np.nonzero(kept)
    cells = pd.MultiIndex.from_arrays(
        [index[row], np.array(sorted(names), dtype=object)[place]], names=["datetime", "instrument"]
    )
    return pd.DataFrame({name: x[row, place] for name, x in values.items()}, cells)


def stored(path: str, names: list[str], market: Any, until: Any) -> pd.DataFrame:
    """Formulas of a Parquet file, if it is of these formulas on this market, up to this day."""
    found = pd.read_parquet(path)
    again = f"compute it again: python -m {HERE.name}.qlib_handler"
    for name in names:
        if field_of(name, market) not in found.columns:
            raise Refused(f"{path} has no values of {name} on this market; {again}")
    last = found.index.get_level_values("datetime").max()
    if last < until:
        raise Refused(f"{path} ends on {last.date()}, before {until.date()}; {again}")
    fields = {field_of(name, market): name for name in names}
    return found[[*fields]].rename(columns=fields)


def write_fields(market: Any, freq: str = "day") -> dict[str, str]:
    """Write formulas of tier 3 as fields of the data directory; their names by formula.

    A field covers the span of the instrument's other fields, so that expressions can use both.
    """
    values = computed(market, freq=freq)
    folder = Path(C.dpm.get_data_uri(freq)) / "features"
    days = pd.DatetimeIndex(D.calendar(freq=freq))
    beside = [*qlib_signal.NUMBERS, *qlib_signal.GROUPS][0].lower()
    fields = {
        row["name"]: field_of(row["name"], named(market)) for row in FACTORS if row["tier"] == 3
    }
    for name, rows in values.groupby(level="instrument"):
        own = folder / code_to_fname(str(name)).lower()
        stored = np.fromfile(own / f"{beside}.{freq}.bin", dtype="<f4")
        span = days[int(stored[0]) : int(stored[0]) + len(stored) - 1]
        on_span = rows.droplevel("instrument").reindex(span)
        for formula, field in fields.items():
            content = np.append(stored[:1], on_span[formula].to_numpy()).astype("<f4")
            part = own / f".{field}.{os.getpid()}"
            content.tofile(part)
            os.replace(part, own / f"{field}.{freq}.bin")
    return fields


def field_of(name: str, market: Any) -> str:
    """The field of a formula of tier 3; values depend on the market, so its name is a part."""
    digest = next(row["digest"] for row in FACTORS if row["name"] == name)
    known = market.get("market", "") if isinstance(market, dict) else "list"
    return f"am_{digest[:12]}_{re.sub(r'[^a-z0-9]', '_', str(known).lower())}"


def named(instruments: Any) -> Any:
    """A market by name, as qlib's providers take it."""
    instruments = "all" if instruments is None else instruments
    return D.instruments(instruments) if isinstance(instruments, str) else instruments


def placed(values: Any, table: pd.DataFrame, index: Any) -> pd.Series:
    """Cells of a table of days by instruments, as a column of a frame."""
    row = table.index.get_indexer(index.get_level_values(0))
    column = table.columns.get_indexer(index.get_level_values(1))
    return pd.Series(values[row, column], index)


def main() -> int:
    """Read the arguments and obey; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {HERE.name}.qlib_handler", description=__doc__
    )
    parser.add_argument("--provider-uri", required=True, help="data directory of qlib")
    parser.add_argument("--market", default="all", help="names that count on a day")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--to", type=Path, help="Parquet file to write")
    where.add_argument("--fields", action="store_true", help="write fields of the data directory")
    asked = parser.parse_args()
    qlib.init(provider_uri=asked.provider_uri)
    try:
        if asked.fields:
            fields = write_fields(asked.market)
            done = ", ".join(f"{name} is ${field}" for name, field in fields.items())
            sys.stdout.write(f"{done or 'qlib can say all formulas'}\n")
            return 0
        values = computed(asked.market)
        part = asked.to.with_name(f".{asked.to.name}.{os.getpid()}")
        names = [row["name"] for row in FACTORS if row["tier"] == 3]
        columns = [field_of(name, named(asked.market)) for name in names]
        values[names].set_axis(columns, axis=1).to_parquet(part)
        os.replace(part, asked.to)
        sys.stdout.write(f"{asked.to}: {len(values)} rows\n")
    except (Refused, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
