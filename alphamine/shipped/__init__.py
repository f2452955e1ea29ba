"""What comes with the package: specifications, jobs and notebooks, found by name.

In the wheel they are folders of this package; in a checkout, of the repository.
"""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

Kind = Literal["data_specs", "jobs", "notebooks"]

_SUFFIX: Final[dict[Kind, str]] = {"data_specs": ".yaml", "jobs": ".yaml", "notebooks": ".ipynb"}


def folder(kind: Kind) -> Path:
    """Where the shipped files of a kind are."""
    package = Path(str(files(__package__)))
    inside = package / kind
    return inside if inside.is_dir() else package.parents[1] / kind


def names(kind: Kind) -> list[str]:
    """The names of the shipped files of a kind, in alphabetical order."""
    return sorted(path.stem for path in folder(kind).glob(f"*{_SUFFIX[kind]}"))


def find(kind: Kind, asked: str | os.PathLike[str]) -> Path | None:
    """The shipped file that a name means; None of a path, and where a file has that name."""
    name = os.fspath(asked)
    if name not in names(kind) or os.path.lexists(name):
        return None
    return folder(kind) / f"{name}{_SUFFIX[kind]}"


def path_of(kind: Kind, asked: str | os.PathLike[str]) -> Path:
    """The shipped file that a name means, or else the path as it stands."""
    return find(kind, asked) or Path(asked)
