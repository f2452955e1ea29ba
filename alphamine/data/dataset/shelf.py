"""From what a person gives as a dataset to the text of its specification.

A path of a YAML file, the name of a specification that comes with the package, or a file of prices,
of which one is drafted. Imports nothing heavy.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import alphamine.shipped as shipped
from alphamine.data.paths import read_text, table_kind
from alphamine.errors import DataError, nearest

if TYPE_CHECKING:
    import pandas as pd


def spec_path(spec: str | os.PathLike[str]) -> Path:
    """The file of a specification that is given by its path or by its name.

    Raises
    ------
    DataError
        If there is none; the message lists the names.
    """
    if not isinstance(spec, str | os.PathLike):
        raise DataError(
            "a specification is the path of a YAML file, but got "
            f"{type(spec).__name__}; a frame becomes a panel by Panel.from_frame"
        )
    path = shipped.path_of("data_specs", spec)
    if not os.path.lexists(path):
        known = shipped.names("data_specs")
        raise DataError(
            f"there is no specification file {path}{nearest(str(spec), known)}; give the path of a "
            f"YAML file or of your prices (CSV, Parquet), or one of the names {', '.join(known)}; "
            "`alphamine init --data prices.csv` writes a specification"
        )
    return path


def spec_text(path: Path) -> str:
    """The text of a specification file, or the draft of one for a file of prices.

    Raises
    ------
    DataError
    """
    if table_kind(path) is None:
        return read_text(path)
    from .draft import drafted_text

    return drafted_text(path)


def datasets() -> pd.DataFrame:
    """The dataset specifications that come with the package, which `am.load` takes by name.

    Returns
    -------
    DataFrame
        A row per name: `description`, `ready` (whether its files are here) and `needs`, what to do
        if they are not.
    """
    import pandas as pd

    from alphamine.data.sources.readers import require_inputs

    from .specfile import read_spec

    rows = {}
    for name in shipped.names("data_specs"):
        spec = read_spec(shipped.folder("data_specs") / f"{name}.yaml")
        try:
            require_inputs(spec)
            needs = ""
        except DataError as error:
            needs = str(error)
        rows[name] = {"description": spec.description, "ready": not needs, "needs": needs}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")
