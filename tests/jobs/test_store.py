"""The ledger: exact, append-only, refusing what it did not write."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from alphamine.errors import SearchError, WorkFailed
from alphamine.runs.records import Record
from alphamine.runs.schema import VERSION
from alphamine.runs.score import TRAIN_SCORES, VALID_SCORES
from alphamine.runs.store import EVENTS_NAME, FILE_NAME, Store


def scores(names: Sequence[str], **given: float) -> dict[str, float]:
    """Numbers of all kinds; what is not given is missing."""
    return {**dict.fromkeys(names, math.nan), "days": 7, **given}


def record(number: int, **changes: object) -> Record:
    values: dict[str, object] = {
        "digest": f"{number:032x}", "formula": f"ts_mean(close, {number + 2})",
        "fitness": 0.1 * number, "gain": 0.0, "valid": None, "origin": "random",
        "train": scores(TRAIN_SCORES, rank_ic=1 / 3, t=math.inf), "parents": ("a", "b"),
    }  # fmt: skip
    return Record(**{**values, **changes})  # type: ignore[arg-type]


def test_records_come_back_as_they_were_in_order(tmp_path: Path) -> None:
    written = [
        record(3), record(1, fitness=-math.inf, parents=(), failure="it died"),
        record(2, valid=scores(VALID_SCORES, rank_ic=0.1 + 0.2)),
    ]  # fmt: skip
    with closing(Store.create(tmp_path / "run", {"seed": 7})) as store:
        store.record(0, written[:2])
        store.record(2, written[2:])
    with closing(Store.open(tmp_path / "run")) as store:
        found = list(store.records())
        assert store.count() == 3
        assert store.facts() == {"seed": 7}
    # Their texts, since NaN is not equal to itself: every digit, and 7 is not 7.0.
    assert [repr(r) for r in found] == [repr(r) for r in written]


def test_a_formula_is_recorded_once_and_a_batch_whole_or_not_at_all(tmp_path: Path) -> None:
    with closing(Store.create(tmp_path, {})) as store:
        store.record(0, [record(1)])
        with pytest.raises(WorkFailed, match="UNIQUE"):
            store.record(1, [record(2), record(1, formula="another text")])
        assert [r.formula for r in store.records()] == ["ts_mean(close, 3)"]


def test_formulas_are_found_by_digest(tmp_path: Path) -> None:
    with closing(Store.create(tmp_path, {})) as store:
        store.record(0, [record(n) for n in range(5)])
        found = store.known([record(n).digest for n in (3, 9, 1)])
        assert found == {r.digest: r for r in store.records() if r.digest in found}
        assert len(found) == 2
        assert store.digests(3) == [record(3).digest, record(4).digest]
        assert store.known([]) == {}


def test_events_are_json_lines_too_and_a_torn_line_is_ended(tmp_path: Path) -> None:
    with closing(Store.create(tmp_path, {})) as store:
        store.event("started", {"seed": 1})
        with (tmp_path / EVENTS_NAME).open("a") as file:
            file.write('{"kind": "che')
        store.tell("checkpoint", {"best": math.inf})
    lines = (tmp_path / EVENTS_NAME).read_text().splitlines()
    first, last = json.loads(lines[0]), json.loads(lines[2])
    assert (first["kind"], first["seed"]) == ("started", 1)
    assert (last["kind"], last["best"]) == ("checkpoint", None)
    assert lines[1] == '{"kind": "che'


def test_what_died_before_it_began_is_no_run(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    with pytest.raises(SearchError, match=r"killed before it had begun, .*start it again"):
        Store.open(tmp_path)
    with closing(Store.create(tmp_path, {"seed": 1})) as store:
        assert store.facts() == {"seed": 1}


def test_a_batch_is_committed_before_the_call_returns(tmp_path: Path) -> None:
    store = Store.create(tmp_path, {})
    store.record(0, [record(1), record(2)])
    # A second connection sees what would survive a kill of this process.
    with closing(Store.open(tmp_path)) as other:
        assert other.count() == 2
    store.close()


def test_pool_and_events(tmp_path: Path) -> None:
    with closing(Store.create(tmp_path, {})) as store:
        store.write_pool([{"digest": "a", "x": 1.5}, {"digest": "b", "x": math.nan}])
        store.write_pool([{"digest": "c", "x": math.nan}])
        store.event("started", {"seed": 1})
        store.event("finished", {"why": "budget"})
        [member] = store.pool()
        assert member["digest"] == "c"
        assert math.isnan(member["x"])
        assert store.events() == [("started", {"seed": 1}), ("finished", {"why": "budget"})]


def test_a_directory_holds_one_run(tmp_path: Path) -> None:
    Store.create(tmp_path, {}).close()
    with pytest.raises(SearchError, match="already holds one; choose another run directory"):
        Store.create(tmp_path, {})


def test_an_empty_directory_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match=r"holds a file run\.sqlite"):
        Store.open(tmp_path)


def test_other_columns_are_another_schema() -> None:
    """Whoever adds a score adds a column: then the number goes up, and this list changes."""
    columns = (
        "rank_ic",
        "rank_ic_std",
        "rank_icir",
        "ic",
        "ic_std",
        "icir",
        "days",
        "pairs",
        "coverage",
        "turnover",
        "t",
        "degrees",
        "effective_days",
    )
    assert (4, columns, columns[:10]) == (VERSION, TRAIN_SCORES, VALID_SCORES)


def test_foreign_and_newer_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "foreign").mkdir()
    with closing(sqlite3.connect(tmp_path / "foreign" / FILE_NAME)) as db:
        db.execute("CREATE TABLE t (x)")
    with pytest.raises(SearchError, match="not one that alphamine wrote"):
        Store.open(tmp_path / "foreign")

    Store.create(tmp_path / "newer", {}).close()
    with closing(sqlite3.connect(tmp_path / "newer" / FILE_NAME)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(SearchError, match=r"has schema 99, and .* reads schemas 3 and 4"):
        Store.open(tmp_path / "newer")

    (tmp_path / "garbage").mkdir()
    (tmp_path / "garbage" / FILE_NAME).write_bytes(b"not a database " * 1000)
    with pytest.raises(SearchError, match="not a readable SQLite file"):
        Store.open(tmp_path / "garbage")


def test_a_file_that_is_refused_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    connect = sqlite3.connect

    def remember(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        opened.append(connect(*args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", remember)
    Store.create(tmp_path, {}).close()
    (tmp_path / "garbage").mkdir()
    (tmp_path / "garbage" / FILE_NAME).write_bytes(b"not a database " * 1000)
    whole = (tmp_path / FILE_NAME).read_bytes()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / FILE_NAME).write_bytes(whole[:-100])
    opened.clear()
    for name in ("garbage", "cut"):
        with pytest.raises(SearchError):
            Store.open(tmp_path / name)
        with pytest.raises(SearchError):
            Store.create(tmp_path / name, {})
    with pytest.raises(TypeError):
        Store.create(tmp_path / "new", {"fact": object()})
    assert len(opened) == 5
    for db in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            db.execute("SELECT 1")


def test_a_path_that_cannot_be_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SearchError, match="must be writable"):
        Store.create(tmp_path / "file" / "run", {})
