"""A specification of a file of prices, drafted from its header.

What names and rows settle is written down; what they leave open is asked, never guessed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import yaml

from alphamine.data.wording import listing
from alphamine.errors import DataError
from alphamine.expression.fields import STANDARD_FIELDS
from alphamine.operators import Kind

from .header import Header, date_formats, days_in, in_order, keys_in

_DATES: Final = (
    "date", "day", "datetime", "timestamp", "time", "dt", "trade_date", "tradedate", "trading_date",
    "trading_day", "日期", "交易日期",
)  # fmt: skip
_SYMBOLS: Final = (
    "symbol", "ticker", "code", "ts_code", "instrument", "stock", "stock_code", "asset", "sid",
    "secid", "permno", "order_book_id", "tic", "isin", "figi", "代码", "股票代码",
)  # fmt: skip
# Vendors' names of standard fields that can mean nothing else.
_VENDORS: Final = {
    "open": ("open_price", "px_open", "开盘", "开盘价"),
    "high": ("high_price", "px_high", "最高", "最高价"),
    "low": ("low_price", "px_low", "最低", "最低价"),
    "close": ("close_price", "closing_price", "px_last", "收盘", "收盘价"),
    "volume": ("vol", "px_volume", "trading_volume", "成交量"),
    "amount": ("turnover_value", "成交额"),
}
_ADJUSTED: Final = ("adj_close", "adjclose", "adjusted_close")
# Some vendors multiply by these, some divide.
_FACTORS: Final = ("factor", "adjfactor", "adjustment_factor", "split_factor", "cfacpr", "复权因子")
_GROUPS: Final = tuple(n for n, info in STANDARD_FIELDS.items() if info.kind is Kind.GROUP)
_FEWEST_DAYS: Final = 100
_ENOUGH_NAMES: Final = 20


@dataclass(frozen=True, slots=True)
class Question:
    """What a header leaves open: the line of a specification that settles it, and why it is open.

    `part` is the key that the line stands under, "" for none.
    """

    line: str
    why: str
    part: str = ""

    def __str__(self) -> str:
        under = f" under {self.part}" if self.part else ""
        return f"{self.why}: write `{self.line}`{under}"


@dataclass(frozen=True, slots=True)
class Draft:
    """The text of a specification, and what is still to be written in it."""

    text: str
    questions: tuple[Question, ...]


def draft(path: Path, folder: Path | None = None) -> Draft:
    """Draft the specification of a CSV or Parquet file.

    Parameters
    ----------
    path : Path
    folder : Path, optional
        Where the specification will be; by default beside the file.

    Raises
    ------
    DataError
        If the file is missing or damaged, or some row holds no day.
    """
    return _Drafting(Header.of(path), folder or path.parent).draft()


def drafted_text(path: Path) -> str:
    """The specification of a file whose header leaves nothing open.

    Raises
    ------
    DataError
        Names each line that has to be written.
    """
    found = draft(path)
    if found.questions:
        said = "; ".join(map(str, found.questions))
        raise DataError(
            f"{path.name} does not say by itself what it holds. {said}; `alphamine init --data "
            f"{path}` writes the rest of the specification"
        )
    return found.text


class _Drafting:
    """One file on its way to a specification."""

    def __init__(self, header: Header, folder: Path) -> None:
        self.header, self.folder = header, folder
        self.questions: list[Question] = []
        self.date = self._column(_DATES)
        self.fields = self._fields()
        self.wide = self._is_wide()
        self.symbol = None if self.wide else self._column(_SYMBOLS)
        self.form = self._form()

    def draft(self) -> Draft:
        lines = [
            f"# Drafted from the header of {self.header.path.name}. `alphamine data check` on this "
            "file says what the",
            "# rows hold; every key is explained in data_specs/README.md of alphamine.",
            f"name: {_quoted(self.header.path.name.split('.')[0] or 'prices')}",
            *self._source(),
            *self._columns(),
            *self._rows(),
        ]
        return Draft("\n".join([*lines, ""]), tuple(self.questions))

    def _is_wide(self) -> bool:
        """Whether there is a column per name: numbers all but one, none called like a field."""
        if self.fields or self._called(_SYMBOLS):
            return False
        return 2 < len(self.header.names) <= len(self.header.numbers) + 1

    def _called(self, known: Sequence[str]) -> list[str]:
        return [name for name in self.header.names if _plain(name) in known]

    def _ask(self, line: str, why: str, part: str = "") -> str:
        question = Question(line, why, part)
        self.questions.append(question)
        return f"{'  ' if part else ''}# {line}      <- to be written: {why}"

    def _column(self, known: Sequence[str]) -> str | None:
        """The one column of a known name; that which a specification expects goes first."""
        found = self._called(known[:1]) or self._called(known)
        return found[0] if len(found) == 1 else None

    def _asked_role(self, role: str, name: str | None, known: Sequence[str]) -> Iterator[str]:
        if name is not None:
            yield f"  {role}: {_quoted(name)}"
            return
        several = self._called(known)
        what = {"date": "days", "symbol": "symbols"}[role]
        why = (
            f"{listing(several)} may all be the column of {what}"
            if several
            else f"no column is called like {what}, of {listing(self.header.names)}"
        )
        if role == "symbol" and not several:
            why += "; a file of one name needs a column that says which"
        yield self._ask(f"{role}: COLUMN", why, "source")

    def _source(self) -> Iterator[str]:
        header = self.header
        path = _quoted(_relative(header.path, self.folder))
        yield "source:"
        yield f"  kind: {header.kind}"
        if not self.wide:
            yield f"  path: {path}"
        elif _plain(stem := header.path.name.split(".")[0]) in STANDARD_FIELDS:
            yield f"  files: {{{_plain(stem)}: {path}}}      # one wide file per field"
        else:
            why = "the file has a column per name, and does not say of which field"
            yield self._ask(f"files: {{close: {path}}}", why, "source")
        if header.delimiter != ",":
            yield f"  delimiter: {json.dumps(header.delimiter)}"
        yield from self._asked_role("date", self.date, _DATES)
        if not self.wide:
            yield from self._asked_role("symbol", self.symbol, _SYMBOLS)
        if self.form is not None:
            yield f"  date_format: {json.dumps(self.form)}      # reads every day of the file"
        elif self._forms:
            why = f"{self._example!r} may be read as {listing(map(repr, self._forms))}"
            yield self._ask(f"date_format: {json.dumps(self._forms[0])}", why, "source")

    def _form(self) -> str | None:
        """How days are written, where that is settled; else `_forms` are those that may be."""
        self._forms: list[str] = []
        if self.date is None:
            return None
        known = date_formats(self.header, self.date)
        if known in ([None], []):  # what no form reads is named by whoever reads it
            return None
        if len(known) == 1:
            return known[0]
        self._forms = [form for form in known if form is not None]
        self._example = str(self.header.column(self.date)[self.date][0])
        return None

    def _fields(self) -> dict[str, list[str]]:
        """The standard fields that the file has, each with the columns that may be it."""
        found = {}
        for name, info in STANDARD_FIELDS.items():
            columns = self._called((name,)) or self._called(_VENDORS.get(name, ()))
            if columns and info.kind is Kind.NUMBER:
                found[name] = columns
        return found

    def _columns(self) -> Iterator[str]:
        """Fields and adjustment."""
        if not self.wide and "close" not in self.fields:
            why = f"no column is called like the close, of {listing(self.header.names)}"
            yield self._ask("fields: {close: COLUMN}", why)
        renamed = any(_plain(columns[0]) != name for name, columns in self.fields.items())
        for name, columns in self.fields.items():
            if len(columns) > 1:
                why = f"{listing(columns)} may all be {name}"
                yield self._ask(f"fields: {{{name}: {_quoted(columns[0])}}}", why)
        if renamed:
            yield "fields:"
            for name, column in self._all_numbers().items():
                yield f"  {_quoted(name)}: {_quoted(column)}"
            if groups := self._called(_GROUPS):
                yield f"groups: {{fields: {{{', '.join(_entries(groups))}}}}}"
        if self.wide or self._called(("adj_factor",)):
            return
        if adjusted := self._called(_ADJUSTED):
            yield f"adjustment: {{adjusted_close: {_quoted(adjusted[0])}}}"
        elif factor := self._called(_FACTORS):
            why = (
                f"prices may be multiplied by {factor[0]!r} or be adjusted already (`adjustment: "
                "{factor: null}`)"
            )
            yield self._ask(f"adjustment: {{factor: {_quoted(factor[0])}}}", why)
        else:
            yield "# No column adjusts for splits and dividends: prices are taken as they are."

    def _all_numbers(self) -> dict[str, str]:
        standard = {columns[0]: name for name, columns in self.fields.items()}
        used = {self.date, self.symbol, *self._called(_ADJUSTED), *self._called(_FACTORS)}
        used |= {*self._called(("adj_factor",))}
        numbers = (name for name in self.header.numbers if name not in used and name.strip())
        return {standard.get(name, name.strip()): name for name in numbers}

    def _rows(self) -> Iterator[str]:
        """What follows from days and keys: order, splits, fewest names."""
        yield f"universe: {'tradable' if 'volume' in self.fields else 'all'}"
        yield "label: {horizon: 5, delay: 1, price: close, delisting: settle}"
        if self.date is None or self._forms:
            return
        days = days_in(self.header, self.date, self.form)
        names = len(self.header.names) - 1
        if self.symbol is not None:
            keys = keys_in(self.header, self.symbol)
            names = len(np.unique(keys))
            if not in_order(days, keys):
                yield "repair: [order]      # rows are not written from the oldest to the newest"
        if names < _ENOUGH_NAMES:
            yield f"min_names: {max(2, names // 2)}      # of {names}; fewer on a day give no score"
        yield from _splits(np.unique(days))


def _splits(days: Iterable[np.datetime64]) -> Iterator[str]:
    """Three fifths to learn on, a fifth to confirm, a fifth that stays sealed."""
    known = list(days)
    if len(known) < _FEWEST_DAYS:
        yield f"# {len(known)} days are too few for splits: searches learn on all of them."
        return
    starts = [known[0], known[len(known) * 3 // 5], known[len(known) * 4 // 5]]
    train, valid, test = map(str, starts)
    yield "# Each split ends horizon + delay rows before the next; test stays sealed in a search."
    yield f"splits: {{train: {train}, valid: {valid}, test: {test}}}"


def _entries(columns: Iterable[str]) -> Iterator[str]:
    return (f"{_plain(column)}: {_quoted(column)}" for column in columns)


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _quoted(text: str) -> str:
    """A text as YAML writes it, in quotes where it would be something else."""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", text) and yaml.safe_load(text) == text:
        return text
    return json.dumps(text, ensure_ascii=False)


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive
        return path.absolute().as_posix()
