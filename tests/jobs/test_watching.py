"""A run seen from outside, while it goes on and after its end."""

from __future__ import annotations

import json
import math
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import alphamine as am
from alphamine.cli import app
from alphamine.cli.watch import sparkline
from alphamine.data.panel import Panel
from alphamine.errors import SearchError
from alphamine.jobs.study import Progress
from alphamine.jobs.watching import RunSnapshot, RunWatcher
from alphamine.runs.store import Store


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_seen_is_what_the_ledger_holds(small_panel: Panel, tmp_path: Path) -> None:
    folder, clock = tmp_path / "run", Clock()
    snapshots: list[RunSnapshot] = []
    watch: list[RunWatcher] = []

    def observe(progress: Progress) -> None:
        if not watch:
            watch.append(RunWatcher(folder, clock))
        clock.now += 2.0
        snapshots.append(watch[0].look())
        assert snapshots[-1].evaluated == progress.evaluated

    run = am.search(small_panel, "random", budget=96, run_dir=folder, observe=observe)
    fitness = run.evaluations()["fitness"].to_numpy()
    best = np.fmax.accumulate(np.nan_to_num(fitness, nan=-np.inf))
    last = watch[0].look()
    np.testing.assert_array_equal(last.curve, best)
    assert snapshots[0].stopped is None
    assert snapshots[0].left is None
    assert math.isnan(snapshots[0].rate)
    assert snapshots[1].rate == pytest.approx(
        (snapshots[1].evaluated - snapshots[0].evaluated) / 2.0
    )
    assert snapshots[1].left == pytest.approx((96 - snapshots[1].evaluated) / snapshots[1].rate)
    assert last.stopped == "the budget was spent"
    top = run.evaluations().nlargest(5, "fitness")
    assert [text for text, _ in last.leaders] == top["formula"].tolist()


def test_looking_writes_nothing(small_panel: Panel, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    am.search(small_panel, "random", budget=16, run_dir=folder)
    (folder / "llm.jsonl").write_bytes(b'{"usage": {"calls": 1, "money": 0.5}}\n{"usage": {"ca')
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    snapshot = RunWatcher(folder).look()
    after = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    assert {name: after[name] for name in before} == before
    assert (snapshot.spent.calls, snapshot.spent.money) == (1, 0.5)
    with closing(Store.open(folder)) as store:
        assert store.altered() is None


def test_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="holds a file"):
        RunWatcher(tmp_path)


def test_the_command_shows_one_view(
    small_panel: Panel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    run = am.search(small_panel, "random", budget=48, run_dir=folder, name="seen")

    def call(*words: str) -> str:
        app(["watch", str(folder), *words], standalone_mode=False)
        return capsys.readouterr().out

    shown = call("--once")
    assert "seen: random" in shown
    assert "48 of 48 trials" in shown
    assert "ended: the budget was spent" in shown
    document = json.loads(call("--json"))
    assert document["evaluated"] == 48
    assert document["best"] == run.evaluations()["fitness"].max()


@pytest.mark.parametrize(
    ("values", "width", "line"),
    [
        ([0.0, 1.0], 10, "▁█"),
        ([1.0, 1.0, 1.0], 10, "▁▁▁"),
        (list(range(8)), 8, "▁▂▃▄▅▆▇█"),
        (list(range(800)), 8, "▁▂▃▄▅▆▇█"),
        ([math.nan, -math.inf], 5, ""),
    ],
)
def test_a_sparkline(values: list[float], width: int, line: str) -> None:
    assert sparkline(values, width) == line
    assert len(sparkline(values, width)) <= width
