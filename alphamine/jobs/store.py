"""The ledger of a run: one SQLite file that holds every evaluated formula.

A row is written once, keyed by the digest of the canonical formula, and never changed. Writes are
committed a batch at a time, so a process that dies loses at most the batch it was working on.
Events are also appended to `events.jsonl`, one JSON document a line, for machines that follow.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from alphamine.errors import SearchError, WorkFailed

from .encoding import decode, encode
from .judge import TRAIN_SCORES, VALID_SCORES
from .times import now

FILE_NAME: Final = "run.sqlite"
EVENTS_NAME: Final = "events.jsonl"
_APPLICATION_ID: Final = 0x616C7068  # "alph"
_SCHEMA_VERSION: Final = 4
# Scores are columns without a type, so that whole numbers stay whole; NaN is NULL.
_SCORES: Final = (
    *(f"train_{name}" for name in TRAIN_SCORES), *(f"valid_{name}" for name in VALID_SCORES)
)  # fmt: skip
_SCHEMA: Final = f"""
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE eval (
    seq INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, formula TEXT NOT NULL,
    fitness REAL, gain REAL NOT NULL, origin TEXT NOT NULL, parents TEXT NOT NULL, failure TEXT,
    {", ".join(_SCORES)}
);
CREATE TABLE event (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, content TEXT NOT NULL);
CREATE TABLE pool (position INTEGER PRIMARY KEY, digest TEXT NOT NULL, content TEXT NOT NULL);
"""
_PAGE_CACHE_KIB: Final = 65536


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
        Those of `TRAIN_SCORES` and `VALID_SCORES`; `valid` is None where there is no such split.
        No searcher ever sees it.
    origin : str
    parents : sequence of str
    failure : str, optional
        Why the formula could not be evaluated.
    """

    digest: str
    formula: str
    fitness: float
    gain: float
    train: Mapping[str, float]
    valid: Mapping[str, float] | None
    origin: str
    parents: Sequence[str] = ()
    failure: str | None = None


class Store:
    """The SQLite file of one run; open it with `create` or `open`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self.path = path
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = -{_PAGE_CACHE_KIB}")

    @classmethod
    def create(cls, directory: Path, facts: Mapping[str, Any]) -> Store:
        """Start a run in a directory that holds none.

        Raises
        ------
        SearchError
            If the directory holds a run already or cannot be written.
        """
        path = directory / FILE_NAME
        if path.exists() and not _is_blank(path):
            raise SearchError(
                f"a directory holds one run, and {directory} already holds one; "
                "choose another run directory, or delete that one if it is not needed"
            )
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with _closed_on_error(sqlite3.connect(path, isolation_level=None)) as db:
                db.execute("PRAGMA journal_mode = WAL")
                # One transaction: a process that dies here leaves a whole run or a blank file.
                db.executescript(
                    f"BEGIN; {_SCHEMA} PRAGMA application_id = {_APPLICATION_ID}; "
                    f"PRAGMA user_version = {_SCHEMA_VERSION};"
                )
                db.executemany("INSERT INTO run VALUES (?, ?)", _rows(facts))
                db.execute("COMMIT")
                return cls(db, path)
        except (OSError, sqlite3.Error) as error:
            raise SearchError(
                f"a run directory must be writable, but {directory} is not ({error}); "
                "choose another run directory"
            ) from error

    @classmethod
    def open(cls, directory: Path) -> Store:
        """Open an existing run.

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
        logged = Path(f"{path}-wal").exists()
        try:
            uri = f"{path.resolve().as_uri()}?{_mode(path)}"
            with _closed_on_error(sqlite3.connect(uri, uri=True, isolation_level=None)) as db:
                [application] = db.execute("PRAGMA application_id").fetchone()
                [version] = db.execute("PRAGMA user_version").fetchone()
                [page] = db.execute("PRAGMA page_size").fetchone()
                # SQLite fills the end of a torn page with zeros and says nothing.
                if path.stat().st_size % page and not logged:
                    raise SearchError(f"{path} was cut off; restore it or search anew")
                if application != _APPLICATION_ID:
                    raise SearchError(f"{path} is a SQLite file, but not one that alphamine wrote")
                if version != _SCHEMA_VERSION:
                    raise SearchError(
                        f"{path} has schema {version}, and this alphamine reads schema "
                        f"{_SCHEMA_VERSION}; open it with the version of alphamine that wrote it"
                    )
                return cls(db, path)
        except sqlite3.Error as error:
            raise SearchError(
                f"{path} is not a readable SQLite file ({error}); restore it or search anew"
            ) from error

    def close(self) -> None:
        self._db.close()

    def write_facts(self, facts: Mapping[str, Any]) -> None:
        """Add facts about the run; a later value of the same key replaces the earlier one."""
        with self._transaction() as db:
            db.executemany("INSERT OR REPLACE INTO run VALUES (?, ?)", _rows(facts))

    def forget(self, key: str) -> None:
        """Remove a fact that is true no longer."""
        with self._transaction() as db:
            db.execute("DELETE FROM run WHERE key = ?", (key,))

    def facts(self) -> dict[str, Any]:
        return {key: json.loads(value) for key, value in self._read("SELECT * FROM run")}

    def record(self, first: int, records: Sequence[Record]) -> None:
        """Append evaluations number `first`, `first + 1` ... in one transaction.

        Raises
        ------
        WorkFailed
            If one is in the ledger already, or the file cannot be written; nothing is recorded.
        """
        rows = [
            (
                first + i, r.digest, r.formula, r.fitness if r.fitness > -math.inf else None,
                r.gain, r.origin, " ".join(r.parents), r.failure, *_TRAIN(r.train),
                *(_NO_SCORES if r.valid is None else _VALID(r.valid)),
            )
            for i, r in enumerate(records)
        ]  # fmt: skip
        with self._transaction() as db:
            db.executemany(_INSERT, rows)

    def records(self) -> Iterator[Record]:
        """Every evaluation, in order."""
        for row in self._read(f"SELECT {_COLUMNS} FROM eval ORDER BY seq"):  # noqa: S608
            yield _record(row)

    def known(self, digests: Collection[str]) -> dict[str, Record]:
        """Those of some formulas that are in the ledger, by digest."""
        marks = ",".join("?" * len(digests))
        query = f"SELECT {_COLUMNS} FROM eval WHERE digest IN ({marks})"  # noqa: S608
        return {row[0]: _record(row) for row in self._read(query, tuple(digests))}

    def digests(self, first: int) -> list[str]:
        """Digests of the evaluations from number `first` on, in order."""
        return [d for (d,) in self._read(_DIGESTS, (first,))]

    def count(self) -> int:
        """Distinct formulas evaluated so far: the number of trials."""
        [(found,)] = self._read("SELECT count(*) FROM eval")
        return int(found)

    def synchronize(self) -> None:
        """Return when all that is committed would survive a power cut too."""
        with self._guard():
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def event(self, kind: str, content: Mapping[str, Any]) -> None:
        """Append to the log of the run, and to the file that machines follow."""
        with self._transaction() as db:
            db.execute("INSERT INTO event (kind, content) VALUES (?, ?)", (kind, encode(content)))
        self.tell(kind, content)

    def tell(self, kind: str, content: Mapping[str, Any]) -> None:
        """Append to the file that machines follow only."""
        path = self.path.with_name(EVENTS_NAME)
        try:
            with path.open("ab+") as file:
                # A line that a killed process left unfinished is ended, not continued.
                length = file.seek(0, os.SEEK_END)
                file.seek(max(0, length - 1))
                if file.read(1) not in (b"", b"\n"):
                    file.write(b"\n")
                file.write(f"{encode({'kind': kind, 'at': now(), **content})}\n".encode())
        except OSError as error:
            raise WorkFailed(f"{path} could not be written: {error}") from error

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        rows = self._read("SELECT kind, content FROM event ORDER BY seq")
        return [(kind, json.loads(content)) for kind, content in rows]

    def write_pool(
        self, members: Sequence[Mapping[str, Any]], facts: Mapping[str, Any] | None = None
    ) -> None:
        """Replace the stored pool, and add facts about it, both or neither.

        Each member is a mapping with at least a `digest`.
        """
        rows = [(i, m["digest"], encode(m)) for i, m in enumerate(members)]
        with self._transaction() as db:
            db.execute("DELETE FROM pool")
            db.executemany("INSERT INTO pool VALUES (?, ?, ?)", rows)
            db.executemany("INSERT OR REPLACE INTO run VALUES (?, ?)", _rows(facts or {}))

    def pool(self) -> list[dict[str, Any]]:
        rows = self._read("SELECT content FROM pool ORDER BY position")
        return [decode(content) for (content,) in rows]

    def _read(self, query: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with self._guard():
            return self._db.execute(query, parameters).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guard(), self._db:
            self._db.execute("BEGIN")
            yield self._db

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise WorkFailed(
                f"{self.path} could not be read or written: {error}; what was committed before "
                "is kept: mend the cause, then `alphamine resume`"
            ) from error


_DIGESTS: Final = "SELECT digest FROM eval WHERE seq >= ? ORDER BY seq"
_COLUMNS: Final = ", ".join(
    ("digest", "formula", "fitness", "gain", "origin", "parents", "failure", *_SCORES)
)
_INSERT: Final = f"INSERT INTO eval VALUES ({','.join('?' * (8 + len(_SCORES)))})"  # noqa: S608
_TRAIN: Final = itemgetter(*TRAIN_SCORES)
_VALID: Final = itemgetter(*VALID_SCORES)
_NO_SCORES: Final = (None,) * len(VALID_SCORES)
# The number of days is there whenever there is such a split.
_VALID_DAYS: Final = 7 + len(TRAIN_SCORES) + VALID_SCORES.index("days")


def _rows(facts: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    return [(key, encode(value)) for key, value in facts.items()]


def _record(row: Sequence[Any]) -> Record:
    digest, formula, fitness, gain, origin, parents, failure = row[:7]
    scores = [math.nan if score is None else score for score in row[7:]]
    train, valid = scores[: len(TRAIN_SCORES)], scores[len(TRAIN_SCORES) :]
    return Record(
        digest, formula, -math.inf if fitness is None else fitness, gain,
        dict(zip(TRAIN_SCORES, train, strict=True)),
        None if row[_VALID_DAYS] is None else dict(zip(VALID_SCORES, valid, strict=True)),
        origin, tuple(parents.split()), failure,
    )  # fmt: skip


@contextmanager
def _closed_on_error(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    try:
        yield db
    except BaseException:
        db.close()
        raise


def _mode(path: Path) -> str:
    """How to open the file: for reading only where nothing can be written.

    A reader of a WAL file must be able to make its shared-memory index beside it, unless the file
    is known not to change.
    """
    sealed = not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists()
    return "mode=ro&immutable=1" if sealed else "mode=rw"


def _is_blank(path: Path) -> bool:
    """Whether the file is what a process left that died before its run had begun."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            [tables] = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        return False
    return int(tables) == 0
