"""What parts of a dataset specification have in common: strict keys, paths, days, text formats."""

from __future__ import annotations

import codecs
import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from .keys import check_date_format, check_timezone, day_of
from .paths import here, resolve


def _path(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str | Path):
        raise ValueError("a path is a text")
    context = info.context or {}
    path = resolve(str(value), context.get("folder") or here())
    context.get("written", {})[path] = str(value)
    return path


SpecPath = Annotated[Path, BeforeValidator(_path)]
"""A path in a specification: relative ones start at its folder, `${NAME}` is a variable."""
Day = Annotated[datetime.date, BeforeValidator(day_of)]


class Part(BaseModel):
    """Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _encoding(value: str) -> str:
    try:
        "".encode(value)
    except (LookupError, ValueError):
        raise ValueError(f"no encoding is called {value!r}; use utf-8, gbk, latin-1 ...") from None
    return codecs.lookup(value).name


class TextParts(Part):
    """How a CSV file is written."""

    delimiter: str = Field(",", min_length=1, max_length=1, pattern=r"^[\x20-\x7e\t]$")
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"


class NumberParts(Part):
    """How numbers are written as text (see `alphamine.data.sources.numbers.NumberStyle`)."""

    missing: list[str] = []
    thousands: Literal[",", " ", "'", "_"] | None = None


class DayParts(Part):
    """How days are written (see `alphamine.data.keys.DayStyle`)."""

    date_format: Annotated[str | None, AfterValidator(check_date_format)] = None
    timezone: Annotated[str | None, AfterValidator(check_timezone)] = None
