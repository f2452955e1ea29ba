"""Damaged run directories: a sentence, a page that says "altered", or the right results."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.errors import AlphamineError, SearchError
from alphamine.runs.store import FILE_NAME

VALUES: tuple[Any, ...] = (
    "null",
    "7",
    "-1",
    "1e400",
    '"x"',
    "[]",
    "{}",
    "true",
    "",
    "{",
    b"\xff\x00",
    3,
)
Deed = Callable[[Path, Panel], Any]


@pytest.fixture(autouse=True)
def _no_ledger(ledgers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one deed says of a copy does not depend on what others have opened before."""
    monkeypatch.setenv("ALPHAMINE_LEDGER", "off")


@pytest.fixture(scope="module")
def whole(small_panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    am.search(small_panel, "random", budget=60, run_dir=folder)
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder


@pytest.fixture
def run_dir(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "run")
    return tmp_path / "run"


def report(folder: Path, panel: Panel) -> Any:
    # What to do next names the directory.
    return am.open_run(folder).report().read_text().replace(str(folder), "RUN")


def pool(folder: Path, panel: Panel) -> Any:
    found = am.open_run(folder).pool
    return found.formulas, found.weights, found.standardisation


def reveal(folder: Path, panel: Panel) -> Any:
    return am.open_run(folder).reveal_test(panel).to_dict()


def resume(folder: Path, panel: Panel) -> Any:
    run = am.resume(folder, panel, budget=70)
    return repr(run.records), repr(run.pool)


DEEDS: tuple[Deed, ...] = (report, pool, reveal, resume)


@pytest.fixture(scope="module")
def right(
    whole: Path, small_panel: Panel, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What each deed gives on a run that nobody has touched."""
    found = {}
    for deed in DEEDS:
        folder = tmp_path_factory.mktemp("right") / "run"
        shutil.copytree(whole, folder)
        found[deed.__name__] = deed(folder, small_panel)
    return found


def flip_bytes(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 1, 4, 64))):
        content[rng.randrange(len(content))] = rng.randrange(256)
    path.write_bytes(content)


def flip_header(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(100)] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def cut(path: Path, rng: random.Random) -> None:
    content = path.read_bytes()
    pages = rng.choice((True, False))
    end = rng.randrange(len(content))
    path.write_bytes(content[: end // 4096 * 4096 if pages else end])


def wipe(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    start = rng.randrange(len(content))
    content[start : start + 4096] = bytes(len(content[start : start + 4096]))
    path.write_bytes(content)


def damage_cell(path: Path, rng: random.Random) -> None:
    """A fact, a member, an event or an evaluation becomes something else, or goes."""
    table, column = rng.choice(
        (
            ("run", "value"),
            ("run", "value"),
            ("run", "value"),
            ("pool", "content"),
            ("event", "content"),
            ("eval", "fitness"),
            ("eval", "train_rank_ic"),
            ("eval", "formula"),
            ("eval", "parents"),
            ("eval", "notes"),
            ("seal", "hash"),
        )
    )
    key = {"run": "key", "seal": "name", "pool": "position"}.get(table, "seq")
    with closing(sqlite3.connect(path)) as db:
        names = [name for (name,) in db.execute(f"SELECT {key} FROM {table} ORDER BY {key}")]
        if rng.random() < 0.2:
            db.execute(f"DELETE FROM {table} WHERE {key} = ?", (rng.choice(names),))
        else:
            changed = (rng.choice(VALUES), rng.choice(names))
            db.execute(f"UPDATE OR IGNORE {table} SET {column} = ? WHERE {key} = ?", changed)
        db.commit()


def damage_inside(path: Path, rng: random.Random) -> None:
    """Something within a fact becomes something else."""
    with closing(sqlite3.connect(path)) as db:
        facts = dict(db.execute("SELECT key, value FROM run"))
        key = rng.choice([k for k, v in sorted(facts.items()) if v.startswith("{") and len(v) > 2])
        value = json.loads(facts[key])
        inner = rng.choice(sorted(value))
        if rng.random() < 0.3:
            del value[inner]
        else:
            value[inner] = rng.choice((None, 7, -1, "x", [], {}, True))
        db.execute("UPDATE run SET value = ? WHERE key = ?", (json.dumps(value), key))
        db.commit()


DAMAGES = (flip_bytes, flip_header, cut, wipe, damage_cell, damage_cell, damage_inside)


def is_told(deed: Deed, folder: Path, panel: Panel, expected: Any) -> bool:
    """Whether the deed ends with a sentence, or the right results, or says that they are not."""
    try:
        with warnings.catch_warnings(record=True, action="always") as said:
            found = deed(folder, panel)
    except AlphamineError as error:
        return "\n" not in str(error)
    if found == expected or any("altered" in str(w.message) for w in said):
        return True
    return deed is report and "<b>Altered.</b>" in found


@pytest.mark.parametrize("number", range(100))
def test_no_damage_leads_to_a_traceback_or_to_a_wrong_number(
    number: int, run_dir: Path, small_panel: Panel, right: dict[str, Any]
) -> None:
    rng = random.Random(number)
    DAMAGES[number % len(DAMAGES)](run_dir / FILE_NAME, rng)
    for deed in DEEDS:
        copy = run_dir.with_name(deed.__name__)
        shutil.copytree(run_dir, copy)
        assert is_told(deed, copy, small_panel, right[deed.__name__]), deed.__name__


FACTS = {
    "label": ("'x'", "the fact 'label' of"),
    "budget": ("'[1]'", r"the fact 'budget' of .*\(list\)"),
    "panel": ("'\"us\"'", r"the fact 'panel' of .*\(str\)"),
    "seed": ("'true'", r"the fact 'seed' of .*\(bool\)"),
    "trust": ("x'ff00'", "the fact 'trust' of"),
}


@pytest.mark.parametrize("fact", FACTS)
def test_a_damaged_fact_is_named(fact: str, run_dir: Path, small_panel: Panel) -> None:
    value, message = FACTS[fact]
    with closing(sqlite3.connect(run_dir / FILE_NAME)) as db:
        db.execute(f"UPDATE run SET value = {value} WHERE key = ?", (fact,))
        db.commit()
    for deed in DEEDS:
        with pytest.raises(SearchError, match=message):
            deed(run_dir, small_panel)


@pytest.mark.parametrize("fact", ["limits", "panel", "version", "fitted_on"])
def test_a_fact_that_is_gone_is_named(fact: str, run_dir: Path, small_panel: Panel) -> None:
    with closing(sqlite3.connect(run_dir / FILE_NAME)) as db:
        db.execute("DELETE FROM run WHERE key = ?", (fact,))
        db.commit()
    with pytest.raises(SearchError, match=r"altered|lacks the fact"):
        am.resume(run_dir, small_panel, budget=70)
    with pytest.raises(SearchError, match=f"lacks the fact '{fact}'"):
        _ = am.open_run(run_dir).facts[fact]


def test_what_was_killed_while_it_was_created_is_started_again(
    tmp_path: Path, small_panel: Panel
) -> None:
    for name, content in (("blank", None), ("empty", b"")):
        folder = tmp_path / name
        folder.mkdir()
        if content is None:
            with closing(sqlite3.connect(folder / FILE_NAME)) as db:
                db.execute("PRAGMA journal_mode = WAL")
        else:
            (folder / FILE_NAME).write_bytes(content)
        for deed in DEEDS:
            with pytest.raises(SearchError, match=r"killed before it had begun.* start it again"):
                deed(folder, small_panel)
        assert am.search(small_panel, "random", budget=5, run_dir=folder).trials == 5


def test_a_pool_that_was_edited_is_not_handed_out_silently(run_dir: Path) -> None:
    with closing(sqlite3.connect(run_dir / FILE_NAME)) as db:
        db.execute("UPDATE pool SET content = replace(content, '\"weight\":', '\"weight\":1')")
        db.commit()
    with pytest.warns(UserWarning, match=r"members of the pool are not those .* not the pool that"):
        _ = am.open_run(run_dir).pool
