"""Number columns of every kind of table, those that are written as text among them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import ConvertOptions

from alphamine.data.wording import brief
from alphamine.errors import DataError

Column: TypeAlias = Any
Thousands: TypeAlias = Literal[",", " ", "'", "_"]

# What a CSV file may say for "no number" without being asked.
NULLS: Final[tuple[str, ...]] = tuple(ConvertOptions().null_values)
_DECIMAL_COMMA: Final = r"^[+-]?[0-9.]*,[0-9]+$"
# Three decimals, or a number of thousands: a column of nothing else says no more.
_ONE_GROUP: Final = r"^[+-]?[1-9][0-9]{0,2},[0-9]{3}$"


@dataclass(frozen=True, slots=True)
class NumberStyle:
    """How numbers are written where a column holds them as text.

    Parameters
    ----------
    missing : collection of str
        Texts that stand for no number, besides `NULLS`.
    thousands : {",", " ", "'", "_"}, optional
        What separates groups of three digits.
    """

    missing: Collection[str] = ()
    thousands: Thousands | None = None

    def __post_init__(self) -> None:
        some = self.missing if isinstance(self.missing, list | tuple | set | frozenset) else [None]
        if not all(isinstance(x, str) for x in some):
            raise DataError(f"missing is a list of texts such as ['--'], but got {self.missing!r}")
        if self.thousands not in (None, ",", " ", "'", "_"):
            raise DataError(
                f"thousands is one of ',', ' ', \"'\" and '_', but got {self.thousands!r}"
            )

    @property
    def nulls(self) -> list[str]:
        """Every text that stands for no number."""
        return [*NULLS, *self.missing]

    def to_floats(self, column: Column, name: str) -> npt.NDArray[np.floating]:
        """Numbers as float32 where they are stored so, else float64; missing is NaN.

        Raises
        ------
        DataError
            Names the first row whose text is no number, and what it holds.
        """
        if is_text(column):
            column = self._parsed(column, name)
        kind = column.type
        try:
            target = pa.float32() if pa.types.is_float32(kind) else pa.float64()
            if pa.types.is_boolean(kind):
                column = column.cast(pa.uint8())
            safe = not pa.types.is_integer(kind)
            values: npt.NDArray[np.floating] = column.cast(target, safe=safe).to_numpy(
                zero_copy_only=False
            )
        except pa.ArrowException as error:
            raise DataError(
                f"column {name!r} must hold numbers, but is {kind}: {brief(error)}; "
                "list the columns to be read in fields"
            ) from None
        return values

    def has_numbers(self, column: Column) -> bool:
        """Whether any cell of a text column is a number, however it is written."""
        texts = _trimmed(column)
        return any(
            bool(pc.any(pc.match_substring_regex(texts, form)).as_py())
            for form in (_pattern(","), _DECIMAL_COMMA)
        )

    def _parsed(self, column: Column, name: str) -> Column:
        texts = _trimmed(column)
        nulls = pa.array(self.nulls, type=texts.type)
        texts = pc.if_else(pc.is_in(texts, value_set=nulls), None, texts)
        wrong = pc.invert(pc.match_substring_regex(texts, _pattern(self.thousands)))
        if pc.any(wrong).as_py():
            raise DataError(_no_number(name, texts, pc.index(wrong, True).as_py()))
        if self.thousands:
            texts = pc.replace_substring(texts, self.thousands, "")
        return texts.cast(pa.float64())


PLAIN: Final = NumberStyle()


def is_text(column: Column) -> bool:
    """Whether a column holds texts (plain or dictionary encoded)."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _trimmed(column: Column) -> Column:
    texts = pa.chunked_array(column).combine_chunks()
    if pa.types.is_dictionary(texts.type):
        texts = texts.dictionary.cast(pa.string()).take(texts.indices)
    return pc.utf8_trim_whitespace(texts.cast(pa.string()))


def _pattern(thousands: str | None) -> str:
    groups = rf"|[1-9][0-9]{{0,2}}({thousands}[0-9]{{3}})+" if thousands else ""
    return rf"^[+-]?(([0-9]+{groups})(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$|^[+-]?(?i:inf)$"


def _no_number(name: str, texts: Column, row: int) -> str:
    """The message of a cell that is no number, with the way out that fits what the column holds."""
    text = texts[row].as_py()
    shown = text if len(text) <= 40 else f"{text[:40]}..."
    said = f"column {name!r} must hold numbers, but row {row + 1} holds the text {shown!r}"
    if re.fullmatch(_DECIMAL_COMMA, text):
        decimals = texts.filter(pc.match_substring_regex(texts, _DECIMAL_COMMA))
        if not pc.all(pc.match_substring_regex(decimals, _pattern(","))).as_py():
            return f"{said}; ',' marks decimals there: write them with a point"
        if pc.all(pc.match_substring_regex(texts, _ONE_GROUP)).as_py():
            return (
                f"{said}; if ',' marks decimals, write them with a point; if it separates "
                "thousands, say thousands: ','"
            )
    for mark in (",", " ", "'", "_"):
        if mark in text and pc.match_substring_regex(pa.array([text]), _pattern(mark))[0].as_py():
            return f"{said}; if {mark!r} separates thousands, say thousands: {mark!r}"
    return (
        f"{said}; if it stands for no value, say missing: [{text[:20]!r}]; if the column holds no "
        "numbers, list those to be read in fields"
    )
