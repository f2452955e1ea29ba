"""Trees of refinements are drawn as they were recorded, and words of a model stay words."""

from __future__ import annotations

import math
from pathlib import Path

import alphamine as am
from alphamine.report.html import run_page
from alphamine.report.lineage import lineages
from alphamine.runs.records import Record


def _record(
    digest: str,
    parent: str = "",
    tree: int | None = 0,
    gain: float = 0.0,
    island: int = 0,
    **notes: object,
) -> Record:
    told = dict(notes) if tree is None else {"tree": tree, **notes}
    parents = (parent,) if parent else ()
    return Record(
        digest,
        f"rank({digest})",
        0.02,
        gain,
        {},
        None,
        "refine",
        parents,
        "",
        told,
        island=island,
    )


def test_children_stand_below_what_they_refine() -> None:
    records = [
        _record("a", gain=0.01), _record("b", "a", dimension="turnover", motif="smooth"),
        _record("c", "a", dimension="diversity", name="Other", rationale="why", gain=0.002),
        _record("d", "b", dimension="stability", avoided=["subtract(close, vwap)"]),
        _record("x", tree=1, gain=0.05), _record("y", "a", tree=2, dimension="turnover", gain=0.03),
        _record("z", tree=3), _record("r", tree=None, gain=1.0),
    ]  # fmt: skip
    found = lineages(records)
    assert [(t.number, round(t.gain, 6)) for t in found] == [(1, 0.05), (2, 0.03), (0, 0.012)]
    shown = [(s.depth, s.record.digest, s.dimension, s.name) for s in found[2].steps]
    assert shown == [
        (0, "a", "", "refine"), (1, "b", "turnover", "smooth"), (2, "d", "stability", "refine"),
        (1, "c", "diversity", "Other"),
    ]  # fmt: skip
    assert found[2].avoided == ["subtract(close, vwap)"]
    # A tree that began with another one's alpha shows it as its root.
    assert [(s.depth, s.record.digest) for s in found[1].steps] == [(0, "a"), (1, "y")]
    assert [t.number for t in lineages(records, most=1)] == [1]


def test_each_island_has_trees_of_its_own() -> None:
    """One formula in the trees of two islands has its place in each, and one gain."""
    records = [
        _record("a", gain=0.03), _record("b", island=1, gain=0.02),
        _record("c", "a", dimension="turnover"),
        _record("a", "b", gain=math.nan, island=1, dimension="stability"),
        _record("d", "a", gain=0.005, island=1, dimension="diversity"),
    ]  # fmt: skip
    first, second = lineages(records)
    assert [(t.island, t.number, t.gain) for t in (first, second)] == [(0, 0, 0.03), (1, 0, 0.025)]
    assert [(s.depth, s.record.digest) for s in first.steps] == [(0, "a"), (1, "c")]
    assert [(s.depth, s.record.digest) for s in second.steps] == [(0, "b"), (1, "a"), (2, "d")]


def test_a_circle_of_parents_ends() -> None:
    records = [
        _record("a", "b", dimension="turnover", gain=0.1), _record("b", "a", dimension="turnover"),
        _record("c", "a", dimension="turnover"),
    ]  # fmt: skip
    assert math.isclose(sum(t.gain for t in lineages(records)), 0.1)


def test_a_run_shows_its_trees(tmp_path: Path) -> None:
    panel = am.load("data_specs/synthetic.yaml")
    run = am.search(panel, "mcts", budget=64, run_dir=tmp_path / "run")
    page = run_page(run)
    best = lineages(run.attempts)[0]
    assert "Trees of refinements" in page
    assert f"Tree {best.number}:" in page
    assert "out of 64 trials" in page
