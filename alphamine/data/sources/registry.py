"""The kinds of sources, by the name that a specification gives as `source.kind`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationInfo

from alphamine.errors import DataError
from alphamine.registry import Registry

from .base import Source
from .kinds import DuckdbSource, QlibSource, SyntheticSource, TableSource


def _source(given: Any) -> type[Source]:
    if not (isinstance(given, type) and issubclass(given, Source)):
        raise DataError(
            "a source is a subclass of alphamine.data.sources.base.Source, whose fields are the "
            f"keys of the specification, but got {given!r}"
        )
    return given


SOURCES: Final[Registry[type[Source]]] = Registry(
    "source",
    "alphamine.sources",
    {
        "parquet": TableSource,
        "csv": TableSource,
        "duckdb": DuckdbSource,
        "qlib": QlibSource,
        "synthetic": SyntheticSource,
    },
    _source,
    DataError,
)


def read_keys(value: Any, info: ValidationInfo) -> Source:
    """The source that a specification's mapping describes, for pydantic."""
    if isinstance(value, Source):
        return value
    if not isinstance(value, Mapping) or "kind" not in value:
        raise ValueError(f"a source is a mapping with the key kind, one of {', '.join(SOURCES)}")
    try:
        model = SOURCES.find(value["kind"]) if isinstance(value["kind"], str) else None
    except DataError as error:
        raise ValueError(f"kind: {error}") from None
    if model is None:
        raise ValueError(f"kind is one of {', '.join(SOURCES)}, but is {value['kind']!r}")
    return model.model_validate(value, context=info.context)
