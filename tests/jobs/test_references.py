"""One way to name formulas: in seeds, in options, and on the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.errors import AlphamineError, SearchError
from alphamine.libraries import library_texts
from alphamine.libraries.formulas import read_formula, read_formulas
from alphamine.runs.references import named_formulas, resolved
from alphamine.runs.run import Run


@pytest.fixture(scope="module")
def run(small_panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("first") / "run"
    return am.search(small_panel, "random", 60, seed=2, run_dir=folder, pool={"token_price": 0})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.txt"
    path.write_text("# two of them\nfast = rank(volume)\nts_mean(close, 5) / close\n")
    return path


def test_formulas_have_names_wherever_they_are(run: Run, file: Path) -> None:
    assert named_formulas("library:alpha158") == dict(library_texts("alpha158"))
    mine = {"fast": "rank(volume)", "3": "ts_mean(close, 5) / close"}
    assert named_formulas(str(file)) == named_formulas(f"file:{file}") == mine
    shown = {str(m["position"]): m["formula"] for m in run.members}
    assert named_formulas(f"run:{run.directory}") == shown


def test_an_empty_pool_is_named(small_panel: Panel, tmp_path: Path) -> None:
    run = am.search(
        small_panel, "random", budget=4, run_dir=tmp_path / "run", pool={"token_price": 1e3}
    )
    assert not run.members
    with pytest.raises(SearchError, match=r"the pool of the run in .* is empty: no formula added"):
        named_formulas(f"run:{run.directory}")
    with pytest.raises(SearchError, match=r"the pool of the run in .* is empty: no formula added"):
        am.search(small_panel, "mcts", 4, run_dir=tmp_path / "next", seeds=[f"run:{run.directory}"])


def test_references_are_found_at_any_depth_and_their_trials_count(run: Run, file: Path) -> None:
    options = {"arms": {"tune": {"formulas": f"run:{run.directory}"}}, "turn": 3, "x": (1, 2)}
    found, count = resolved(options)
    texts = [record.formula for record in run.pool_records]
    assert found == {"arms": {"tune": {"formulas": "; ".join(texts)}}, "turn": 3, "x": (1, 2)}
    assert count.trials == 60
    seeds, none = resolved([f"file:{file}", "library:alpha101", "close"])
    assert seeds == ["rank(volume); ts_mean(close, 5) / close", "library:alpha101", "close"]
    assert none.trials == 0


def test_a_file_is_read_alike_by_its_lines_and_as_a_list(
    small_panel: Panel, tmp_path: Path
) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("a = close / volume; rank(a)  # of money\nfast = ts_mean(close, 5); # why\n")
    lines = named_formulas(str(path))
    assert list(lines) == ["1", "fast"]
    [text], _ = resolved([f"file:{path}"])
    schema = small_panel.schema
    expected = ["rank(close / volume)", "ts_mean(close, 5)"]
    assert [str(formula) for formula in read_formulas(text, schema)] == expected
    assert [str(read_formula(line, schema)) for line in lines.values()] == expected


@pytest.mark.parametrize("line", ["a = close; b = open", 'rank("a)'])
def test_no_line_of_a_file_runs_on_into_the_next(line: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text(f'rank(open)\n{line}\nrank(a)\nrank(b")\n')
    with pytest.raises(AlphamineError, match=r"each line is whole by itself, but .* runs on"):
        resolved([f"file:{path}"])


def test_a_comment_of_several_lines_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("/* momentum\nof a kind */\nrank(close)\n# 'so' /*\nrank(open) /* a\n*/\n")
    assert named_formulas(str(path)) == {"3": "rank(close)", "5": "rank(open)"}
    assert resolved([f"file:{path}"])[0] == ["rank(close); rank(open)"]


def test_a_pool_to_start_from_is_not_tried_again_upside_down(
    small_panel: Panel, tmp_path: Path
) -> None:
    panel = replace(small_panel, fingerprint="upside down")
    first = am.search(panel, "random", 60, seed=2, run_dir=tmp_path / "1", pool={"token_price": 0})
    assert first.on_dataset == 60
    pool = {record.digest for record in first.pool_records}
    # Of those that are shown with another sign than they were evaluated with there are some.
    assert pool != {formula.digest for formula in first.pool.formulas}
    source = f"run:{first.directory}"
    second = am.search(panel, "mcts", 40, run_dir=tmp_path / "2", seeds=[source])
    roots = {record.digest for record in second.records if record.notes.get("motif") == "given"}
    assert roots == pool
    fresh = {record.digest for record in second.records} - {r.digest for r in first.records}
    assert second.on_dataset == 60 + len(fresh) <= 100 - len(pool)
    # A table of the same pool shows it as the run's page does: each with its better sign.
    table = am.evaluate(list(named_formulas(source).values()), panel, "train")
    assert (table["rank_ic"] > 0).all()


@pytest.mark.parametrize("form", ["run", "file"])
def test_tune_starts_from_a_reference(
    form: str, run: Run, file: Path, small_panel: Panel, tmp_path: Path
) -> None:
    source = {"run": f"run:{run.directory}", "file": f"file:{file}"}[form]
    tuned = am.search(
        small_panel, "tune", 6, run_dir=tmp_path / "tune", options={"formulas": source}
    )
    assert tuned.evaluated == 6
    assert tuned.trials == 6 + 60 * (form == "run")


@pytest.mark.parametrize("form", ["run", "file", "library"])
def test_searches_start_from_any_reference(
    form: str, run: Run, file: Path, small_panel: Panel, tmp_path: Path
) -> None:
    source = {"run": f"run:{run.directory}", "file": f"file:{file}", "library": "library:alpha158"}
    panel = small_panel
    if form == "library":
        close = panel.columns["close"]
        columns = dict.fromkeys(("high", "low", "vwap"), close) | dict(panel.columns)
        panel = Panel.from_arrays(panel.dates, panel.symbols, columns)
    seeded = am.search(panel, "genetic", 20, run_dir=tmp_path / "seeds", seeds=[source[form]])
    assert seeded.trials == 20 + 60 * (form == "run")
    assert seeded.facts["seeds"] != [source[form]] or form == "library"


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match=r"holds a file run\.sqlite"):
        resolved({"formulas": f"run:{tmp_path}"})
    with pytest.raises(AlphamineError, match="cannot read the formulas"):
        resolved([f"file:{tmp_path / 'no.txt'}"])
