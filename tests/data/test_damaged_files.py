"""Whatever is in a file, a user meets a panel or one line that says what is wrong with it."""

from __future__ import annotations

import contextlib
import io
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer import Typer
from typer.main import get_command

import alphamine as am
from alphamine import cli
from alphamine.data.panel import Panel
from alphamine.errors import AlphamineError, DataWarning

from .damage import KINDS, build, frames

SECONDS = 20
LONGEST = 1000
COUNT, MANY = 25, 840  # cases of each kind; twelve kinds with frames


class TooLong(BaseException):
    """Not an Exception, so that nobody catches it on the way."""


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    def late(*_: Any) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def lawful(panel: Panel) -> None:
    """A panel that keeps the laws: whatever is read from it is what its types promise."""
    rows, symbols = panel.shape
    assert rows >= 1
    assert len(set(panel.symbols.tolist())) == symbols >= 1
    assert (np.diff(panel.dates.astype(np.int64)) > 0).all()
    for name, column in panel.columns.items():
        assert name.isidentifier()
        assert column.shape == panel.shape
        assert column.dtype == np.float64
    assert panel.universe.dtype == bool
    assert panel.label.values.shape == panel.shape


def fault_of(attempt: Callable[[], Panel], opened: list[str]) -> str | None:
    """What is wrong with how an attempt ended; None if it is as it should be."""
    try:
        with in_time():
            panel = attempt()
            lawful(panel)
            opened.append(panel.name)
    except AlphamineError as error:
        text = str(error)
        if "\n" in text or "\r" in text:
            return f"more than one line: {text[:300]!r}"
        return f"a message of {len(text)} characters: {text[:200]}" if len(text) > LONGEST else None
    except (Exception, TooLong) as error:
        where = traceback.extract_tb(error.__traceback__)
        ours = [f"{Path(f.filename).name}:{f.lineno}" for f in where if "alphamine" in f.filename]
        return f"{type(error).__name__}: {str(error)[:200]} at {' '.join(ours[-4:])}"
    return None


def command(path: Path, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """The same of `alphamine data check`."""
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "argv", ["alphamine", "data", "check", str(path)])
    shown = warnings.formatwarning
    code: Any = 0
    try:
        with in_time(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            cli.main()
    except SystemExit as end:
        code = end.code
    except (Exception, TooLong) as error:
        where = traceback.extract_tb(error.__traceback__)
        ours = [f"{Path(f.filename).name}:{f.lineno}" for f in where if "alphamine" in f.filename]
        return f"check: {type(error).__name__}: {str(error)[:200]} at {' '.join(ours[-4:])}"
    finally:
        warnings.formatwarning = shown
    said = err.getvalue()
    if code not in (0, None, 1, 2) or "Traceback" in said:
        return f"check: exit code {code}: {said[:300]}"
    if said.count("\n") > 1 or (said and not said.startswith("error: ")) or len(said) > LONGEST:
        return f"check: not one line: {said[:300]!r}"
    return None if said or "dataset" in out.getvalue() else f"check: exit code {code}, says nothing"


def check_kind(
    kind: str, numbers: range, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    # The commands are built once; building them takes longer than most of them.
    monkeypatch.setattr(cli, "app", get_command(cli.app) if isinstance(cli.app, Typer) else cli.app)
    # That days can be read in two ways is ours to say; a warning of anybody else is a fault.
    warnings.simplefilter("ignore", DataWarning)
    found: list[str] = []
    opened: list[str] = []
    for number in numbers:
        if kind == "frame":
            frame, done = frames(number)
            options = {"factor": "adj_factor"} if number % 3 == 0 else {"fields": ["close"]}
            faults = [
                fault_of(lambda f=frame: Panel.from_frame(f, min_names=2), opened),
                fault_of(lambda f=frame, o=options: Panel.from_frame(f, min_names=2, **o), opened),
            ]
        else:
            case = build(kind, number, folder / "case")
            cache = str(folder / "cache") if number % 8 == 0 else "off"
            monkeypatch.setenv("ALPHAMINE_CACHE", cache)
            done = case.done
            faults = [
                fault_of(lambda c=case: am.load(c.path), opened),
                command(case.path, monkeypatch),
            ]
        found += [f"{kind} {number} {done}: {fault}" for fault in faults if fault]
    # Some damage does no harm and some is refused: the cases are neither whole nor hopeless.
    tries = len(numbers) * (2 if kind == "frame" else 1)
    assert 0.02 * tries < len(opened) < 0.9 * tries, f"{kind}: {len(opened)} of {tries} were opened"
    return found


@pytest.mark.parametrize("kind", [*KINDS, "frame"])
def test_no_foreign_error_reaches_a_user(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind.startswith("duckdb"):
        pytest.importorskip("duckdb")
    faults = check_kind(kind, range(COUNT), tmp_path, monkeypatch)
    assert not faults, "\n".join(faults[:20])


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS, "frame"])
def test_nor_does_one_of_ten_thousand_files(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind.startswith("duckdb"):
        pytest.importorskip("duckdb")
    faults = check_kind(kind, range(COUNT, COUNT + MANY), tmp_path, monkeypatch)
    assert not faults, f"{len(faults)}\n" + "\n".join(faults[:40])
