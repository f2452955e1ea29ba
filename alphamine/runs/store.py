"""The ledger of a run: one SQLite file that holds every proposal and every evaluated formula.

A row is written once, keyed by the digest of the canonical formula, and never changed. What a
searcher proposes is committed before it is evaluated, and evaluations are committed a batch at a
time, so a process that dies loses no proposal and the results of one batch at most.
Events are also appended to `events.jsonl`, one JSON document a line, for machines that follow. Its
lines carry running hashes of the ledger (see `seal`): who edits one has to edit the other.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from alphamine.encoding import encode, undefined
from alphamine.errors import SearchError, WorkFailed

from .facts import Facts, decoded
from .migration import OLDER_AS_NEW, OLDER_VERSION
from .records import Proposal, Record, of_proposal, of_record, to_proposal, to_record
from .schema import (
    APPLICATION_ID,
    COLUMNS,
    CONTENT,
    DIGESTS,
    INSERT_EVAL,
    ISLAND,
    SCHEMA,
    SCORES,
    SEALED,
    VERSION,
    WRITE_SEAL,
)
from .seal import Seal
from .times import now

FILE_NAME: Final = "run.sqlite"
EVENTS_NAME: Final = "events.jsonl"
_PAGE_CACHE_KIB: Final = 16384
# SQLite's own messages about a damaged file may quote bytes of it, which Python cannot decode.
_DAMAGE: Final = (sqlite3.Error, UnicodeError)


class Store:
    """The SQLite file of one run; open it with `create` or `open`."""

    def __init__(self, connection: sqlite3.Connection, path: Path, version: int = VERSION) -> None:
        self._db = connection
        self.path = path
        self._sealed = version == VERSION
        self._seals: dict[str, Seal] = {}
        if version == OLDER_VERSION:
            connection.executescript(OLDER_AS_NEW)
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
                store = cls(db, path)
                # One transaction: a process that dies here leaves a whole run or a blank file.
                db.executescript(
                    f"BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; "
                    f"PRAGMA user_version = {VERSION};"
                )
                db.executemany("INSERT INTO run VALUES (?, ?)", _rows(facts))
                store._reseal()
                db.execute("COMMIT")
                return store
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
        if not directory.exists():
            raise SearchError(
                f"there is no directory {directory}; a search that was ended before it had begun "
                "has left nothing: begin it again"
            )
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
                if application == 0 and _is_blank(path):
                    raise SearchError(
                        f"the search in {directory} was killed before it had begun, so there is "
                        "nothing to go on with; start it again"
                    )
                if application != APPLICATION_ID:
                    raise SearchError(f"{path} is a SQLite file, but not one that alphamine wrote")
                if version not in (OLDER_VERSION, VERSION):
                    raise SearchError(
                        f"{path} has schema {version}, and this alphamine reads schemas "
                        f"{OLDER_VERSION} and {VERSION}; open it with the version of "
                        "alphamine that wrote it"
                    )
                return cls(db, path, version)
        except _DAMAGE as error:
            raise SearchError(
                f"{path} is not a readable SQLite file ({error}); restore it or search anew"
            ) from error

    def close(self) -> None:
        self._db.close()

    def write_facts(self, facts: Mapping[str, Any]) -> None:
        """Add facts about the run; a later value of the same key replaces the earlier one."""
        with self._transaction() as db:
            db.executemany("INSERT OR REPLACE INTO run VALUES (?, ?)", _rows(facts))
            self._reseal()

    def forget(self, key: str) -> None:
        """Remove a fact that is true no longer."""
        with self._transaction() as db:
            db.execute("DELETE FROM run WHERE key = ?", (key,))
            self._reseal()

    def facts(self) -> Facts:
        """What is recorded about the run.

        Raises
        ------
        SearchError
            Names a fact that is damaged.
        """
        return Facts(self._read("SELECT key, value FROM run"), self.path)

    def propose(self, number: int, proposals: Sequence[Proposal]) -> None:
        """Store what was proposed in a round, in place of what was stored of it and after."""
        rows = [of_proposal(number, i, proposal) for i, proposal in enumerate(proposals)]
        before = self._seal("proposal") if self._sealed else Seal()
        with self._transaction() as db:
            replaced = db.execute("DELETE FROM proposal WHERE round >= ?", (number,)).rowcount
            db.executemany("INSERT INTO proposal VALUES (?,?,?,?,?,?,?,?,?)", rows)
            if self._sealed and replaced:
                seal = Seal(db.execute(CONTENT["proposal"]), before.broken)
            else:
                seal = before.extended(rows)
            self._write_seal("proposal", seal)
        self._seals["proposal"] = seal

    def proposals(self, first: int) -> dict[int, list[Proposal]]:
        """What was proposed from round `first` on, by round."""
        found: dict[int, list[Proposal]] = {}
        query = "SELECT * FROM proposal WHERE round >= ? ORDER BY round, position"
        for number, _, *row in self._read(query, (first,)):
            found.setdefault(number, []).append(to_proposal(row))
        return found

    def proposed(self, digests: Collection[str], island: int, before: int) -> set[str]:
        """Those of some formulas that an island proposed before a round."""
        marks = ",".join("?" * len(digests))
        query = (
            "SELECT DISTINCT digest FROM proposal "  # noqa: S608
            f"WHERE digest IN ({marks}) AND island = ? AND round < ?"
        )
        return {digest for (digest,) in self._read(query, (*digests, island, before))}

    def record(self, first: int, records: Sequence[Record]) -> None:
        """Append evaluations number `first`, `first + 1` ... in one transaction.

        Raises
        ------
        WorkFailed
            If one is in the ledger already, or the file cannot be written; nothing is recorded.
        """
        rows = [of_record(first + i, record) for i, record in enumerate(records)]
        with self._appending("eval", rows) as db:
            db.executemany(INSERT_EVAL, rows)

    def records(self) -> Iterator[Record]:
        """Every evaluation, in order."""
        for row in self._read(f"SELECT {COLUMNS}, {ISLAND} FROM eval ORDER BY seq"):  # noqa: S608
            yield to_record(row)

    def known(self, digests: Collection[str]) -> dict[str, Record]:
        """Those of some formulas that are in the ledger, by digest."""
        marks = ",".join("?" * len(digests))
        query = f"SELECT {COLUMNS}, {ISLAND} FROM eval WHERE digest IN ({marks})"  # noqa: S608
        return {row[0]: to_record(row) for row in self._read(query, tuple(digests))}

    def digests(self, first: int) -> list[str]:
        """Digests of the evaluations from number `first` on, in order."""
        return [d for (d,) in self._read(DIGESTS, (first,))]

    def column(self, name: str) -> list[float]:
        """One score of every evaluation, in order; NaN where it is missing."""
        if name not in SCORES:
            raise KeyError(name)
        rows = self._read(f"SELECT {name} FROM eval ORDER BY seq")  # noqa: S608
        return [math.nan if value is None else value for (value,) in rows]

    def fitness(self, first: int) -> list[float]:
        """The fitness of the evaluations from number `first` on, in order; NaN for none."""
        rows = self._read("SELECT fitness FROM eval WHERE seq >= ? ORDER BY seq", (first,))
        return [math.nan if value is None else value for (value,) in rows]

    def leaders(self, count: int) -> list[tuple[str, float]]:
        """The formulas of the highest fitness, best first."""
        return self._read(
            "SELECT formula, fitness FROM eval WHERE fitness IS NOT NULL "
            "ORDER BY fitness DESC, seq LIMIT ?",
            (count,),
        )

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
        row = (kind, encode(content))
        with self._appending("event", [row]) as db:
            db.execute("INSERT INTO event (kind, content) VALUES (?, ?)", row)
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
                line = {"kind": kind, "at": now(), **content, "seals": self._last_seals()}
                file.write(f"{encode(line)}\n".encode())
        except OSError as error:
            raise WorkFailed(f"{path} could not be written: {error}") from error

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        rows = self._read("SELECT kind, content FROM event ORDER BY seq")
        return [(kind, decoded(content, "an event", self.path)) for kind, content in rows]

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
            self._reseal()

    def altered(self, tables: Collection[str] | None = None) -> str | None:
        """How the ledger differs from what the search has written; None if it does not.

        The rows are hashed again and compared with the hashes in the file and with those in
        `events.jsonl`. Of a run of an earlier version, which has none, nothing can be said: None.
        With `tables` (names of `schema.SEALED`) only these are looked at, in the file alone.
        """
        if not self._sealed:
            return None
        for name, what in SEALED.items():
            if tables is not None and name not in tables:
                continue
            if self._kept_seal(name) != _value(Seal(self._read(CONTENT[name]))):
                return f"the {what} are not those that were recorded"
        if tables is not None:
            return None
        logged = self._logged_seals()
        if logged is None:
            return f"{EVENTS_NAME}, by which the ledger is cross-checked, is missing or damaged"
        for name, (rows, value) in logged.items():
            found = self._read(CONTENT[name])
            if len(found) < rows or Seal(found[:rows]).hash != value:
                return f"the {SEALED[name]} are not those that {EVENTS_NAME} tells of"
        return None

    def pool(self) -> list[dict[str, Any]]:
        rows = self._read("SELECT content FROM pool ORDER BY position")
        return [undefined(decoded(text, "a member of the pool", self.path)) for (text,) in rows]

    def _seal(self, name: str) -> Seal:
        """Of a table that only grows."""
        if name not in self._seals:
            rows = self._read(CONTENT[name])
            self._seals[name] = Seal(rows, self._kept_seal(name) != _value(Seal(rows)))
        return self._seals[name]

    def _kept_seal(self, name: str) -> tuple[int, str]:
        """As it was committed with the last rows."""
        found = self._read("SELECT rows, hash FROM seal WHERE name = ?", (name,))
        return found[0] if found else _value(Seal())

    @contextmanager
    def _appending(self, name: str, rows: Sequence[Sequence[Any]]) -> Iterator[sqlite3.Connection]:
        """A transaction that appends rows to a table."""
        longer = self._seal(name).extended(rows) if self._sealed else Seal()
        with self._transaction() as db:
            yield db
            self._write_seal(name, longer)
        self._seals[name] = longer

    def _reseal(self) -> None:
        """Hash anew what is written whole, inside the transaction that writes it."""
        for name in ("run", "pool"):
            self._write_seal(name, Seal(self._db.execute(CONTENT[name])))

    def _write_seal(self, name: str, seal: Seal) -> None:
        if self._sealed:
            self._db.execute(WRITE_SEAL, (name, seal.rows, seal.hash))

    def _last_seals(self) -> dict[str, tuple[int, str]] | None:
        if not self._sealed:
            return None
        return {name: _value(self._seal(name)) for name in ("eval", "event")}

    def _logged_seals(self) -> dict[str, tuple[int, str]] | None:
        """The last ones in the file that machines follow; None if there are none."""
        try:
            lines = self.path.with_name(EVENTS_NAME).read_bytes().splitlines()
        except OSError:
            return None
        for line in reversed(lines):
            try:
                seals = json.loads(line)["seals"]
                return {name: (int(seals[name][0]), seals[name][1]) for name in ("eval", "event")}
            except (ValueError, KeyError, TypeError, IndexError):
                continue
        return None

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
        except (sqlite3.DatabaseError, UnicodeError) as error:
            raise WorkFailed(
                f"{self.path} could not be read or written: {error}; what was committed before "
                "is kept: mend the cause, then `alphamine resume`"
            ) from error


def _value(seal: Seal) -> tuple[int, str]:
    return seal.rows, seal.hash


def _rows(facts: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    return [(key, encode(value)) for key, value in facts.items()]


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
