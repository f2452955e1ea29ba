"""The ledger of a run: one SQLite file that holds every evaluated formula.

A row is written once, keyed by the digest of the canonical formula, and never changed. Writes are
committed a batch at a time, so a process that dies loses at most the batch it was working on.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alphamine.errors import SearchError, WorkFailed

FILE_NAME: Final = "run.sqlite"
_APPLICATION_ID: Final = 0x616C7068  # "alph"
_SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE eval (
    digest TEXT PRIMARY KEY, seq INTEGER NOT NULL UNIQUE, formula TEXT NOT NULL,
    fitness REAL, gain REAL NOT NULL, train TEXT NOT NULL, valid TEXT,
    origin TEXT NOT NULL, parents TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE event (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, content TEXT NOT NULL);
CREATE TABLE pool (position INTEGER PRIMARY KEY, digest TEXT NOT NULL, content TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Record:
    """One evaluated formula.

    Attributes
    ----------
    digest, formula : str
        Of the canonical formula.
    fitness, gain : float
        As in `Evaluation`.
    train, valid : mapping of str to float
        Scores; `valid` is None where there is no such split. No searcher ever sees it.
    origin : str
    parents : sequence of str
    """

    digest: str
    formula: str
    fitness: float
    gain: float
    train: Mapping[str, float]
    valid: Mapping[str, float] | None
    origin: str
    parents: Sequence[str] = ()


class Store:
    """The SQLite file of one run; open it with `create` or `open`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self.path = path

    @classmethod
    def create(cls, directory: Path, facts: Mapping[str, Any]) -> Store:
        """Start a run in a directory that holds none.

        Raises
        ------
        SearchError
            If the directory holds a run already or cannot be written.
        """
        path = directory / FILE_NAME
        if path.exists():
            raise SearchError(
                f"a directory holds one run, and {directory} already holds one; "
                "choose another run directory, or delete that one if it is not needed"
            )
        try:
            directory.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(path, isolation_level=None)
            db.execute("PRAGMA journal_mode = WAL")
        except (OSError, sqlite3.Error) as error:
            raise SearchError(
                f"a run directory must be writable, but {directory} is not ({error}); "
                "choose another run directory"
            ) from error
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        store = cls(db, path)
        store.write_facts(facts)
        return store

    @classmethod
    def open(cls, directory: Path) -> Store:
        """Open an existing run for reading.

        Raises
        ------
        SearchError
            If there is none, or the file was not written by this version of alphamine.
        """
        path = directory / FILE_NAME
        if not path.is_file():
            raise SearchError(
                f"a run directory holds a file {FILE_NAME}, but {directory} has none; "
                "give the directory that `alphamine search` named at its end"
            )
        try:
            # mode=rw, not ro: a reader of a WAL file must be able to make its shared-memory index.
            db = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode=rw", uri=True, isolation_level=None
            )
            [application] = db.execute("PRAGMA application_id").fetchone()
            [version] = db.execute("PRAGMA user_version").fetchone()
        except sqlite3.Error as error:
            raise SearchError(
                f"{path} is not a readable SQLite file ({error}); restore it or search anew"
            ) from error
        if application != _APPLICATION_ID:
            db.close()
            raise SearchError(f"{path} is a SQLite file, but not one that alphamine wrote")
        if version != _SCHEMA_VERSION:
            db.close()
            raise SearchError(
                f"{path} has schema {version}, and this alphamine reads schema {_SCHEMA_VERSION}; "
                "open it with the version of alphamine that wrote it"
            )
        return cls(db, path)

    def close(self) -> None:
        self._db.close()

    def write_facts(self, facts: Mapping[str, Any]) -> None:
        """Add facts about the run; a later value of the same key replaces the earlier one."""
        rows = [(key, encode(value)) for key, value in facts.items()]
        self._in_transaction("INSERT OR REPLACE INTO run VALUES (?, ?)", rows)

    def facts(self) -> dict[str, Any]:
        return {key: json.loads(value) for key, value in self._db.execute("SELECT * FROM run")}

    def record(self, first: int, records: Sequence[Record]) -> None:
        """Append evaluations number `first`, `first + 1` ... in one transaction."""
        rows = [
            (
                r.digest, first + i, r.formula, finite(r.fitness), r.gain, encode(r.train),
                None if r.valid is None else encode(r.valid), r.origin, encode(list(r.parents)),
            )
            for i, r in enumerate(records)
        ]  # fmt: skip
        self._in_transaction("INSERT OR IGNORE INTO eval VALUES (?,?,?,?,?,?,?,?,?)", rows)

    def records(self) -> Iterator[Record]:
        """Every evaluation, in order."""
        query = (
            "SELECT digest, formula, fitness, gain, train, valid, origin, parents "
            "FROM eval ORDER BY seq"
        )
        for digest, formula, fitness, gain, train, valid, origin, parents in self._db.execute(
            query
        ):
            yield Record(
                digest, formula, -math.inf if fitness is None else fitness, gain, decode(train),
                None if valid is None else decode(valid), origin, tuple(json.loads(parents)),
            )  # fmt: skip

    def count(self) -> int:
        """Distinct formulas evaluated so far: the number of trials."""
        [found] = self._db.execute("SELECT count(*) FROM eval").fetchone()
        return int(found)

    def event(self, kind: str, content: Mapping[str, Any]) -> None:
        """Append to the log of the run."""
        statement = "INSERT INTO event (kind, content) VALUES (?, ?)"
        self._in_transaction(statement, [(kind, encode(content))])

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        rows = self._db.execute("SELECT kind, content FROM event ORDER BY seq")
        return [(kind, json.loads(content)) for kind, content in rows]

    def write_pool(self, members: Sequence[Mapping[str, Any]]) -> None:
        """Replace the stored pool; each member is a mapping with at least a `digest`."""
        rows = [(i, m["digest"], encode(m)) for i, m in enumerate(members)]
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute("DELETE FROM pool")
            self._db.executemany("INSERT INTO pool VALUES (?, ?, ?)", rows)

    def pool(self) -> list[dict[str, Any]]:
        rows = self._db.execute("SELECT content FROM pool ORDER BY position")
        return [decode(content) for (content,) in rows]

    def _in_transaction(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        try:
            with self._db:
                self._db.execute("BEGIN")
                self._db.executemany(statement, rows)
        except sqlite3.OperationalError as error:
            raise WorkFailed(f"{self.path} could not be written: {error}") from error


def encode(value: Any) -> str:
    """JSON without NaN and infinities, which become null."""
    return json.dumps(finite(value), separators=(",", ":"), allow_nan=False)


def decode(text: str) -> dict[str, Any]:
    """A mapping as `encode` wrote it; null is NaN again."""
    return {k: math.nan if v is None else v for k, v in json.loads(text).items()}


def finite(value: Any) -> Any:
    """The value with NaN and infinities replaced by None, in mappings and sequences too."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return value
