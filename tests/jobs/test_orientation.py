"""Wherever a formula stands beside a number, evaluating that text gives that number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import alphamine as am
from alphamine.cli.reveal import _show as show_test
from alphamine.cli.search import _show as show_search
from alphamine.data.panel import Panel
from alphamine.data.splits import Splits
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.scores import daily_scores
from alphamine.evaluation.report import FactorReport
from alphamine.evaluation.summary import Summary
from alphamine.expression.canonical import canonicalise, oriented
from alphamine.expression.text.parser import parse
from alphamine.pool.combine import combine
from alphamine.runs.references import resolved
from alphamine.runs.run import Run
from alphamine.runs.store import Store


@pytest.fixture(scope="module")
def run(small_panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run, half of whose members were found upside down."""
    found = am.search(
        small_panel,
        "random",
        budget=120,
        seed=3,
        run_dir=tmp_path_factory.mktemp("run") / "run",
        pool={"token_price": 0.0},
    )
    together = zip(found.pool.formulas, found.pool_records, strict=True)
    turned = [str(formula) != record.formula for formula, record in together]
    assert 2 < sum(turned) < len(turned)
    return found


def scored(text: str, panel: Panel, split: str = "train") -> FactorReport:
    return am.evaluate(text, panel, split)


def row_is_true(row: dict[str, Any], panel: Panel) -> None:
    train, valid = (scored(row["formula"], panel, split) for split in ("train", "valid"))
    assert row["train_rank_ic"] == pytest.approx(train.rank_ic, rel=1e-12)
    assert row["train_rank_icir"] == pytest.approx(train.rank_icir, rel=1e-12)
    assert row["valid_rank_ic"] == pytest.approx(valid.rank_ic, rel=1e-12)
    assert row["valid_rank_icir"] == pytest.approx(valid.rank_icir, rel=1e-12)
    assert row["t"] == pytest.approx(train.trust.t, rel=1e-9)
    assert row["valid_t"] == pytest.approx(valid.trust.t, rel=1e-9)
    assert row["turnover"] == pytest.approx(train.turnover, rel=1e-12)
    assert row["train_rank_ic"] > 0


def test_the_table_and_json(run: Run, small_panel: Panel) -> None:
    table = run.pool.table()
    assert not [name for name in table.columns if "sign" in name]
    for row in table.to_dict("records"):
        row_is_true(row, small_panel)
    for row in run.to_dict()["pool"]:
        row_is_true(row, small_panel)
    assert [str(formula) for formula in run.pool.formulas] == list(table.formula)


def test_the_ledger_holds_formulas_as_they_were_evaluated(run: Run, small_panel: Panel) -> None:
    frame = run.evaluations()
    for row in frame[frame.train_rank_ic.notna()].head(30).to_dict("records"):
        report = scored(row["formula"], small_panel)
        assert row["train_rank_ic"] == pytest.approx(report.rank_ic, rel=1e-12)
        assert abs(row["fitness"]) in (pytest.approx(abs(report.rank_ic), rel=1e-12), np.inf)
    with closing(Store.open(run.directory)) as store:
        members = store.pool()
        for member, record in zip(
            members, store.known([m["digest"] for m in members]), strict=True
        ):
            assert record in frame.index
            assert abs(frame.train_rank_ic[member["digest"]]) == member["train_rank_ic"]
    options, _ = resolved({"seeds": f"run:{run.directory}"})
    assert options["seeds"] == "; ".join(frame.formula[m["digest"]] for m in members)


def test_weights_and_correlations_are_those_of_the_formulas_shown(
    run: Run, small_panel: Panel
) -> None:
    sample = small_panel.without_test().sample("train")
    values = Evaluator(sample.panel).values(run.pool.formulas)
    weights = [row["weight"] for row in run.pool.rows()]
    together = daily_scores(combine(values, weights, sample.panel.universe), sample)
    combined = run.facts["combined"]["train"]["numbers"]
    assert Summary.of(together).rank_ic == pytest.approx(combined["rank_ic"], rel=1e-12)
    correlation = np.array(run.facts["correlation"])
    labelled = sample.panel.universe[sample.rows] & np.isfinite(sample.label)
    a, b = (np.where(labelled, v[sample.rows], np.nan) for v in values[:2])
    daily = [_rank_correlation(x, y) for x, y in zip(a, b, strict=True)]
    assert correlation[0, 1] == pytest.approx(np.mean(daily), abs=0.02)


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    from scipy.stats import spearmanr

    both = np.isfinite(x) & np.isfinite(y)
    return float(spearmanr(x[both], y[both])[0]) if both.sum() > 2 else 0.0


def test_the_page(run: Run, small_panel: Panel) -> None:
    rows = Cells(run.report().read_text(encoding="utf-8")).rows
    shown = [row for row in rows if row and row[0].isdigit() and len(row) > 10]
    assert [row[1] for row in shown] == list(map(str, run.pool.formulas))
    for row in shown:
        train, valid = (scored(row[1], small_panel, split) for split in ("train", "valid"))
        assert row[4:8] == [
            f"{train.rank_ic:+.4f}", f"{valid.rank_ic:+.4f}",
            f"{train.rank_icir:+.2f}", f"{valid.rank_icir:+.2f}",
        ]  # fmt: skip
        assert row[11:13] == [f"{train.trust.t:+.1f}", f"{valid.trust.t:+.1f}"]


def test_the_command_line(
    run: Run,
    small_panel: Panel,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    show_search(run, run.directory / "report.html")
    rows = list(printed(capsys.readouterr().out, columns=9))
    assert [row[1].replace(" ", "") for row in rows] == [
        str(formula).replace(" ", "") for formula in run.pool.formulas
    ]
    for row in rows:
        train, valid = (scored(row[1], small_panel, split) for split in ("train", "valid"))
        assert row[2:6] == [
            f"{train.rank_ic:+.4f}", f"{valid.rank_ic:+.4f}",
            f"{train.rank_icir:+.2f}", f"{valid.rank_icir:+.2f}",
        ]  # fmt: skip


def test_the_sealed_test(run: Run, small_panel: Panel, capsys: pytest.CaptureFixture[str]) -> None:
    report = run.reveal_test()
    sample = Splits._test_sample(small_panel)
    for row in report.to_dict()["rows"][:-1]:
        [values] = am.values([am.parse(row["formula"])], sample.panel)
        own = Summary.of(daily_scores(values, sample))
        assert row["rank_ic"] == pytest.approx(own.rank_ic, rel=1e-12)
        assert "sign" not in row
    show_test(report)
    rows = list(printed(capsys.readouterr().out, columns=7))
    assert [row[1] for row in rows] == [f"{r.numbers.rank_ic:+.4f}" for r in report.rows]


@pytest.mark.parametrize("text", ["-rank(close)", "close - open", "open < close", "close ** 2"])
def test_oriented_is_canonical_and_its_own_inverse(text: str, small_panel: Panel) -> None:
    node = canonicalise(parse(text))
    assert oriented(node, 1) is node
    turned = oriented(node, -1)
    assert canonicalise(turned) is turned
    assert canonicalise(parse(str(turned))) is turned
    values = am.values([node, turned], small_panel)
    np.testing.assert_array_equal(values[0], -values[1])
    if node.kind is turned.kind:
        assert oriented(turned, -1) is node


def printed(text: str, columns: int) -> Iterator[list[str]]:
    """Rows of a printed table; cells that were folded are joined."""
    row: list[str] = []
    for line in text.splitlines():
        if not line.startswith("│"):
            continue
        cells = [cell.strip() for cell in re.split("│", line)[1:-1]]
        assert len(cells) == columns
        if cells[2]:
            if row:
                yield row
            row = cells
        else:
            row = [f"{a}{b}" for a, b in zip(row, cells, strict=True)]
    if row:
        yield row


class Cells(HTMLParser):
    """The texts of the cells of every table row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data
