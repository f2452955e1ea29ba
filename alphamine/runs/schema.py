"""The tables of a run's ledger, and the queries that more than one method asks."""

from __future__ import annotations

from typing import Final

from alphamine.runs.score import TRAIN_SCORES, VALID_SCORES

APPLICATION_ID: Final = 0x616C7068  # "alph"
VERSION: Final = 4
# Scores are columns without a type, so that whole numbers stay whole; NaN is NULL.
SCORES: Final = (
    *(f"train_{name}" for name in TRAIN_SCORES),
    *(f"valid_{name}" for name in VALID_SCORES),
)
SCHEMA: Final = f"""
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE eval (
    seq INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, formula TEXT NOT NULL,
    fitness REAL, gain REAL NOT NULL, origin TEXT NOT NULL, parents TEXT NOT NULL,
    arm TEXT NOT NULL, notes TEXT, failure TEXT, {", ".join(SCORES)}
);
CREATE TABLE proposal (
    round INTEGER NOT NULL, position INTEGER NOT NULL, island INTEGER NOT NULL,
    digest TEXT NOT NULL, formula TEXT NOT NULL, origin TEXT NOT NULL, parents TEXT NOT NULL,
    arm TEXT NOT NULL, notes TEXT, PRIMARY KEY (round, position)
) WITHOUT ROWID;
CREATE INDEX proposed ON proposal (digest);
CREATE TABLE seal (name TEXT PRIMARY KEY, rows INTEGER NOT NULL, hash TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE event (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, content TEXT NOT NULL);
CREATE TABLE pool (position INTEGER PRIMARY KEY, digest TEXT NOT NULL, content TEXT NOT NULL);
"""
DIGESTS: Final = "SELECT digest FROM eval WHERE seq >= ? ORDER BY seq"
COLUMNS: Final = ", ".join(
    (
        "digest",
        "formula",
        "fitness",
        "gain",
        "origin",
        "parents",
        "arm",
        "notes",
        "failure",
        *SCORES,
    )
)
# Read with them: the island that was the first to propose a formula.
ISLAND: Final = (
    "coalesce((SELECT island FROM proposal WHERE proposal.digest = eval.digest "
    "ORDER BY round, position LIMIT 1), 0)"
)
INSERT_EVAL: Final = f"INSERT INTO eval VALUES ({','.join('?' * (10 + len(SCORES)))})"  # noqa: S608
WRITE_SEAL: Final = "INSERT OR REPLACE INTO seal VALUES (?, ?, ?)"
# What is sealed, in words, and the rows that are hashed.
SEALED: Final = {
    "eval": "evaluations",
    "proposal": "proposals",
    "event": "events",
    "run": "facts",
    "pool": "members of the pool",
}
CONTENT: Final = {
    "eval": f"SELECT seq, {COLUMNS} FROM eval ORDER BY seq",  # noqa: S608
    "proposal": "SELECT * FROM proposal ORDER BY round, position",
    "event": "SELECT kind, content FROM event ORDER BY seq",
    "run": "SELECT key, value FROM run ORDER BY key",
    "pool": "SELECT position, digest, content FROM pool ORDER BY position",
}
