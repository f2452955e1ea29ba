"""How long a search will go on, and who is shown it."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.jobs.progress import Pace, clock_text, progress_bar, shown
from alphamine.jobs.study import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_rest_is_told_by_the_pace_so_far() -> None:
    clock = Clock()
    pace = Pace(1000, None, clock)
    assert pace.left(0) is None
    clock.now += 10.0
    assert pace.left(100) == pytest.approx(90.0)
    clock.now += 10.0
    assert pace.left(400) == pytest.approx(600 * 20 / 400)
    assert pace.left(1200) == 0.0


def test_what_was_evaluated_before_is_no_pace() -> None:
    clock = Clock()
    pace = Pace(2000, None, clock)
    clock.now += 5.0
    assert pace.left(1000) is None
    clock.now += 10.0
    assert pace.left(1100) == pytest.approx(90.0)


def test_a_limit_in_seconds_may_end_it_earlier() -> None:
    clock = Clock()
    pace = Pace(1000, 60.0, clock)
    assert pace.left(0) == 60.0
    clock.now += 10.0
    assert pace.left(10) == pytest.approx(50.0)
    assert pace.left(900) == pytest.approx(10 * 100 / 900)


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-:--"), (0.2, "0:01"), (65, "1:05"), (7800, "2:10:00")]
)
def test_a_clock(seconds: float | None, text: str) -> None:
    assert clock_text(seconds) == text


def test_a_terminal_sees_trials_and_the_time_left() -> None:
    from rich.console import Console

    screen = io.StringIO()
    with progress_bar(Console(file=screen, width=120, force_terminal=True), 10) as observe:
        observe(Progress(4, 0.0321, 2))
    assert "best |rank IC| 0.0321 of 4 trials, 2 in the pool" in screen.getvalue()
    assert "left" in screen.getvalue()


def test_nobody_is_shown_anything_unasked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with shown(False, 10) as observe:
        observe(Progress(4, 0.1, 2))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    with shown(None, 10) as observe:
        observe(Progress(4, 0.1, 2))
    assert capsys.readouterr().err == ""
    with shown(True, 10) as observe:
        observe(Progress(4, 0.1, 2))
    assert "4 trials" in capsys.readouterr().err


def test_a_terminal_sees_what_goes_on_after_the_search() -> None:
    from rich.console import Console

    screen = io.StringIO()
    with progress_bar(Console(file=screen, force_terminal=True, width=160), 10) as observe:
        observe(Progress(10, 0.02, 3))
        observe(Progress(10, 0.02, 3, "combined member 2 of 3"))
    assert "searching" not in screen.getvalue().rsplit("combined member 2 of 3", 1)[1]
    assert "combined member 2 of 3" in screen.getvalue()


def test_that_workers_start_is_said_before_anything_is_searched(
    small_panel: Panel, tmp_path: Path
) -> None:
    phases: list[str] = []
    am.search(
        small_panel,
        "random",
        12,
        run_dir=tmp_path / "run",
        executor="processes",
        workers=2,
        observe=lambda progress: phases.append(progress.phase),
    )
    assert phases[:2] == ["starting 2 workers", "searching"]
