"""What a source of data is: the keys of a specification's `source`, and what they lead to."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path

from alphamine.data.parts import Part

from .raw import RawData


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a specification reads of its source.

    Attributes
    ----------
    numbers : tuple of str
        Columns of numbers that have to be there.
    labels : tuple of str
        Columns of static labels that have to be there.
    conventional : tuple of str
        Columns of numbers that are read where they exist.
    others : bool
        Whether every other column is read too. What nobody wants may be there all the same.
    repair : tuple of str
        Of "duplicates" and "order": flaws of rows that are mended instead of refused.
    """

    numbers: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    conventional: tuple[str, ...] = ()
    others: bool = True
    repair: tuple[str, ...] = ()


class Source(Part):
    """Where a dataset comes from; the fields of a subclass are keys of the specification.

    It is a pydantic model, made of the mapping `source` with all paths (`SpecPath`) resolved.

    Attributes
    ----------
    kind : str
        The name that it is registered by.
    """

    kind: str

    def inputs(self) -> list[Path]:
        """Files and folders whose change makes a cached panel stale; they have to exist."""
        return []

    def check(self) -> None:
        """Look for what is wrong with the inputs, without reading them.

        Raises
        ------
        DataError
        """

    @abstractmethod
    def read(self, wanted: Wanted) -> RawData:
        """The data as they are, at every call the same.

        Raises
        ------
        DataError, MissingDependency
        """
