"""The ledger of a dataset: what was ever tried on it, and how often its test split was opened.

One SQLite file per dataset in the user's state folder holds the digest of every canonical formula
that was scored on its data: by a search, in a notebook, on the command line. A formula counts once,
whoever tried it and for whichever label. Several processes may write at once.

A ledger keeps nobody from working: one that is locked, lost or damaged is warned of, what could not
be written is tried again with the next batch, and counts become None.
"""

from __future__ import annotations

import getpass
import sqlite3
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from alphamine.data.panel import Panel
from alphamine.data.paths import ledger_folder
from alphamine.errors import LedgerWarning

APPLICATION_ID: Final = 0x616C706C  # "alpl"
VERSION: Final = 1
# Seconds to wait for another writer; once that was in vain, the next batches do not wait.
_PATIENCE: Final = 2.0
_SCHEMA: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS source (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, first TEXT NOT NULL,
    last TEXT NOT NULL, formulas INTEGER NOT NULL DEFAULT 0, UNIQUE (kind, name)
);
CREATE TABLE IF NOT EXISTS formula (digest BLOB PRIMARY KEY, source INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS opening (
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, who TEXT NOT NULL,
    at TEXT NOT NULL, formulas INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS test (start TEXT, end TEXT, PRIMARY KEY (start, end)) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""
_SOURCE: Final = """
INSERT INTO source (kind, name, first, last) VALUES (?, ?, ?, ?)
ON CONFLICT (kind, name) DO UPDATE SET last = excluded.last RETURNING id
"""


# Begun with the first decision: ledgers of earlier versions have none.
_DECISIONS: Final = """
CREATE TABLE IF NOT EXISTS decision (
    seq INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, name TEXT NOT NULL, at TEXT NOT NULL,
    p_value REAL NOT NULL, level REAL NOT NULL
)
"""
_ALL_DECISIONS: Final = "SELECT digest, name, at, p_value, level FROM decision ORDER BY seq"
_DECIDE: Final = "INSERT INTO decision (digest, name, at, p_value, level) VALUES (?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Source:
    """Where formulas came from.

    Attributes
    ----------
    kind, name : str
        "search" and the name of the run; "evaluation" or "backtest" and no name.
    first, last : str
        When it first and last tried any.
    formulas : int
        How many it was the first to try.
    """

    kind: str
    name: str
    first: str
    last: str
    formulas: int


@dataclass(frozen=True, slots=True)
class Opening:
    """One look at a test split.

    Attributes
    ----------
    kind, name : str
        "revealed" and the name of the run; "loaded whole" and the specification.
    who, at : str
    formulas : int
        How many were scored there.
    """

    kind: str
    name: str
    who: str
    at: str
    formulas: int


@dataclass(frozen=True, slots=True)
class Decision:
    """One formula that was to be accepted.

    Attributes
    ----------
    digest, name : str
        Of what was tested, the formula with its label and its days; of the run that found it.
    at : str
    p_value, level : float
        It was accepted if its p-value was at most the level.
    """

    digest: str
    name: str
    at: str
    p_value: float
    level: float

    @property
    def accepted(self) -> bool:
        return self.p_value <= self.level


class DatasetLedger:
    """What was tried on one dataset, and by whom.

    Parameters
    ----------
    dataset : str
        `Panel.dataset`.
    kind, name : str
        Who writes, as in `Source` and `Opening`.

    Attributes
    ----------
    path : Path or None
        None where nothing is counted: `ALPHAMINE_LEDGER` is "off", the user has no home, or the
        panel has no fingerprint.
    problem : str or None
        Why the ledger could not be written or read the last time.
    """

    def __init__(self, dataset: str, kind: str = "", name: str = "") -> None:
        folder = ledger_folder()
        self.path = None if folder is None or not dataset else folder / f"{dataset}.sqlite"
        self.problem: str | None = None
        self._by = (kind, name)
        self._db: sqlite3.Connection | None = None
        self._waiting: list[bytes] = []

    @classmethod
    def of(cls, panel: Panel, kind: str, name: str = "") -> DatasetLedger:
        """The ledger of a panel's dataset, to be written by `kind`.

        It remembers which days are the test split, so that who loads them in another way is known
        to look at them.
        """
        ledger = cls(panel.dataset, kind, name)
        if panel.splits is not None and panel.splits.test is not None:
            start, stop = panel.splits.test
            days = (str(panel.dates[start]), str(panel.dates[stop - 1]))
            if ledger.path is not None and days not in (ledger.tests() or ()):
                insert = "INSERT OR IGNORE INTO test VALUES (?, ?)"
                ledger._write(lambda db: db.execute(insert, days))
        return ledger

    def add(self, digests: Iterable[str]) -> None:
        """Commit that formulas were tried; what cannot be written waits for the next call.

        Parameters
        ----------
        digests : iterable of str
            Of canonical formulas, hexadecimal.
        """
        if self.path is None:
            return
        self._waiting += map(bytes.fromhex, digests)
        if self._waiting and self._write(self._insert):
            self._waiting.clear()

    def count(self) -> int | None:
        """Distinct formulas that were tried on the dataset so far; None if nobody knows."""
        rows = None if self._waiting else self._read("SELECT sum(formulas) FROM source")
        return None if rows is None else sum(number or 0 for (number,) in rows)

    def opened(self, formulas: int) -> None:
        """Record that the test split is looked at now, by so many formulas."""
        row = (*self._by, _user(), _now(), formulas)
        insert = "INSERT INTO opening (kind, name, who, at, formulas) VALUES (?, ?, ?, ?, ?)"
        self._write(lambda db: db.execute(insert, row))

    def openings(self) -> list[Opening] | None:
        """Every look at the dataset's test split, oldest first; None if nobody knows."""
        rows = self._read("SELECT kind, name, who, at, formulas FROM opening ORDER BY seq")
        return None if rows is None else [Opening(*row) for row in rows]

    def decide(
        self, p_values: Mapping[str, float], level: Callable[[int, int], float]
    ) -> list[Decision] | None:
        """Test hypotheses in their order, those apart that were tested before; all in one step.

        Parameters
        ----------
        p_values : mapping of str to float
            By digest of the hypothesis.
        level : callable
            Of the next test, given how many were made and how many accepted.

        Returns
        -------
        list of Decision or None
            Of each, as it was made now or before; None where nothing can be kept.
        """
        made: list[Decision] = []

        def test(db: sqlite3.Connection) -> None:
            db.execute(_DECISIONS)
            known = {row[0]: Decision(*row) for row in db.execute(_ALL_DECISIONS)}
            for digest, p_value in p_values.items():
                if digest not in known:
                    accepted = sum(own.accepted for own in known.values())
                    new = Decision(
                        digest, self._by[1], _now(), p_value, level(len(known), accepted)
                    )
                    db.execute(_DECIDE, astuple(new))
                    known[digest] = new
            made.extend(known[digest] for digest in p_values)

        return made if self._write(test) else None

    def decisions(self) -> list[Decision] | None:
        """Every formula that was to be accepted, in order; None if nobody knows."""
        kept = self._read("SELECT 1 FROM sqlite_master WHERE name = 'decision'")
        rows = self._read(_ALL_DECISIONS) if kept else kept
        return None if rows is None else [Decision(*row) for row in rows]

    def tests(self) -> list[tuple[str, str]] | None:
        """First and last days of the test splits that the dataset was ever given."""
        return self._read("SELECT start, end FROM test ORDER BY start, end")

    def sources(self) -> list[Source] | None:
        """Who tried formulas, in the order in which they began."""
        rows = self._read("SELECT kind, name, first, last, formulas FROM source ORDER BY id")
        return None if rows is None else [Source(*row) for row in rows]

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-compatible values; what nobody knows is None."""
        rows = {"sources": self.sources(), "openings": self.openings()}
        return {
            "path": None if self.path is None else str(self.path),
            "formulas": self.count(),
            **{k: None if v is None else [asdict(row) for row in v] for k, v in rows.items()},
            "tests": self.tests(),
            "problem": self.problem,
        }

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _insert(self, db: sqlite3.Connection) -> None:
        now = _now()
        [(source,)] = db.execute(_SOURCE, (*self._by, now, now)).fetchall()
        before = db.total_changes
        rows = [(digest, source) for digest in self._waiting]
        db.executemany("INSERT OR IGNORE INTO formula VALUES (?, ?)", rows)
        new = db.total_changes - before
        db.execute("UPDATE source SET formulas = formulas + ? WHERE id = ?", (new, source))

    def _write(self, work: Callable[[sqlite3.Connection], object]) -> bool:
        """Do it in one transaction; whether it was committed."""
        if self.path is None:
            return False
        try:
            # Whoever waited in vain does not wait again: a search goes on meanwhile.
            db = self._connection(0.0 if self.problem else _PATIENCE)
            with db:
                db.execute("BEGIN IMMEDIATE")
                work(db)
        except (OSError, sqlite3.Error) as error:
            self._fail(error)
            return False
        self.problem = None
        return True

    def _read(self, query: str) -> list[Any] | None:
        """Rows: none of a ledger that was not begun yet, and None if it cannot be read."""
        if self.path is None:
            return None
        if not self.path.exists():
            return []
        try:
            return self._connection(_PATIENCE).execute(query).fetchall()
        except (OSError, sqlite3.Error) as error:
            self._fail(error)
            return None

    def _connection(self, patience: float) -> sqlite3.Connection:
        assert self.path is not None
        if self._db is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = _opened(self.path)
        self._db.execute(f"PRAGMA busy_timeout = {int(1000 * patience)}")
        return self._db

    def _fail(self, error: Exception) -> None:
        said = self.problem is not None
        self.problem = f"the ledger {self.path} cannot be used ({error})"
        self.close()
        if not said:
            warnings.warn(
                f"{self.problem}: what is tried now is not counted there, and verdicts allow for "
                "the trials of this run alone; free the file, or move it away if it is damaged "
                '(ALPHAMINE_LEDGER names another folder, or is "off")',
                LedgerWarning,
                stacklevel=3,
            )


def count_trials(panel: Panel, digests: Iterable[str], kind: str) -> int | None:
    """Count formulas that were just scored by hand.

    Returns
    -------
    int or None
        Distinct formulas ever tried on the panel's dataset, these among them; None if nobody knows.
    """
    with DatasetLedger.of(panel, kind) as ledger:
        ledger.add(digests)
        return ledger.count()


def _opened(path: Path) -> sqlite3.Connection:
    """A connection to a ledger, begun if there is none.

    Raises
    ------
    sqlite3.Error
        If it is another file, or one of another version.
    """
    db = sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE)
    try:
        [kind], [version] = (
            db.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
        )
        if (kind, version) != (APPLICATION_ID, VERSION):
            if kind or version or db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
                raise sqlite3.DatabaseError(
                    f"it is no ledger of version {VERSION}, which this alphamine reads"
                )
            with suppress(sqlite3.OperationalError):  # another process is just doing it
                db.execute("PRAGMA journal_mode = WAL")
            db.executescript(_SCHEMA)
        db.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        db.close()
        raise
    return db


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
