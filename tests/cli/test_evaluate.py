"""Factors on the command line, and every way to ask for one wrongly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.process import Cli, document, refused


@pytest.mark.parametrize("columns", [70, 100])
def test_piped_tables_keep_to_the_width_of_their_reader(cli: Cli, columns: int) -> None:
    formula = "rank(ts_corr(close, volume, 10)) + rank(ts_mean(close, 20) / close)"
    table = cli("evaluate", formula, "--data", "tiny.yaml", columns=columns).stdout.splitlines()
    # Sentences are one line each, for those who search in them; columns are two spaces apart.
    widths = [len(line) for line in table if "  " in line.strip()]
    assert columns - 20 < max(widths) <= columns
    assert "…" not in "".join(table)


def test_evaluate_prints_what_the_library_computes(
    cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import alphamine as am

    monkeypatch.setenv("ALPHAMINE_LEDGER", "off")
    formula = "rank(ts_delta(close, 5) / close)"
    printed = document(
        cli("evaluate", formula, "--data", "tiny.yaml", "--split", "valid", "--json")
    )
    report = am.evaluate(formula, am.load(workplace / "tiny.yaml"), "valid")
    assert printed == report.to_dict()


def test_a_formula_may_begin_with_a_minus_sign(cli: Cli) -> None:
    plain = json.loads(cli("evaluate", "close / open", "--data", "tiny.yaml", "--json").stdout)
    turned = json.loads(cli("evaluate", "-(close / open)", "--data", "tiny.yaml", "--json").stdout)
    assert turned["rank_ic"] == pytest.approx(-plain["rank_ic"], rel=1e-12)
    assert "--jsn" in refused(cli("evaluate", "-close", "--data", "tiny.yaml", "--jsn"))


def test_evaluate_scores_a_file_of_formulas(cli: Cli, workplace: Path) -> None:
    import alphamine as am

    lines = ("mom = ts_returns(close, 20)", "rank(clse)", "volume", "flat = close - close")
    (workplace / "mine.txt").write_text("\n".join(lines))
    arguments = ("evaluate", "--formulas", "mine.txt", "--data", "tiny.yaml")
    done = cli(*arguments, "--split", "valid", "--json")
    found = document(done, code=1)
    assert done.stderr == "error: 2 of 4 formulas could not be judged: 2, flat\n"
    assert (found["split"], found["trials"], found["failed"]) == ("valid", 3, 2)
    assert [row["name"] for row in found["formulas"]] == ["mom", "2", "3", "flat"]
    alone = am.evaluate("ts_returns(close, 20)", am.load(workplace / "tiny.yaml"), "valid")
    assert found["formulas"][0]["rank_ic"] == alone.rank_ic
    shown = cli(*arguments)
    assert shown.returncode == 1
    assert "volume" in shown.stdout
    assert "out of 3 formulas tried" in shown.stdout
    assert "2 could not be judged: there is no field 'clse'" in shown.stdout
    assert "flat could not be judged: the factor is the same" in shown.stdout
    (workplace / "good.txt").write_text("volume\nclose\n")
    good = cli("evaluate", "--formulas", "good.txt", *arguments[3:])
    assert (good.returncode, good.stderr) == (0, "")
    (workplace / "flat.txt").write_text("rank(clse)\nclose - close\n")
    flat = cli("evaluate", "--formulas", "flat.txt", *arguments[3:])
    assert flat.returncode == 1
    assert "rank IC" not in flat.stdout
    (workplace / "bad.txt").write_text("rank(clse)\n")
    assert "none of 1 formulas" in refused(
        cli("evaluate", "--formulas", "bad.txt", "--data", "tiny.yaml", "--json")
    )
    assert "give one of them" in refused(cli("evaluate", "close", *arguments[1:]))
    assert "--full is for" in refused(cli(*arguments, "--full"))


def test_evaluate_scores_a_library(cli: Cli) -> None:
    import alphamine as am

    arguments = ("evaluate", "--formulas", "library:alpha101", "--data", "tiny.yaml", "--json")
    # Some look back further than the split of so small a market reaches.
    found = document(cli(*arguments), code=1)
    assert [row["name"] for row in found["formulas"]] == list(am.library("alpha101"))
    assert found["trials"] == sum(row["verdict"] is not None for row in found["formulas"])


def test_evaluate_overrides_the_label(cli: Cli) -> None:
    printed = document(
        cli(
            "evaluate",
            "close",
            "--data",
            "tiny.yaml",
            "--horizon",
            "7",
            "--delay",
            "0",
            "--price",
            "open",
            "--splits",
            "none",
            "--json",
        )
    )
    label = printed["label"]
    assert (label["horizon"], label["delay"], label["price"]) == (7, 0, "open")
    assert printed["split"] == "all"


def test_evaluate_prints_a_table_by_year(cli: Cli) -> None:
    done = cli("evaluate", "rank(close)", "--data", "tiny.yaml")
    assert done.returncode == 0
    assert "2015" in done.stdout
    assert "out of 1 formula tried" in done.stdout
    assert done.stderr == ""


def test_evaluate_writes_a_page(cli: Cli, workplace: Path) -> None:
    arguments = ("evaluate", "rank(close)", "--data", "tiny.yaml", "--json", "--html")
    assert document(cli(*arguments, "page.html"))["formula"] == "rank(close)"
    assert (workplace / "page.html").read_text().startswith("<!doctype html>")
    assert "cannot write the report" in refused(cli(*arguments, "page.html/page.html"))


def test_evaluate_says_everything_if_asked(cli: Cli) -> None:
    arguments = ("evaluate", "volume", "--data", "tiny.yaml", "--json")
    found = document(cli(*arguments, "--full", "--trials", "1000"))
    assert found["trust"]["trials"] == 1000
    assert set(found["detail"]["delays"]) == {"0", "1", "2"}
    assert "detail" not in document(cli(*arguments))


def test_evaluate_says_why_a_factor_cannot_be_judged(cli: Cli) -> None:
    done = cli("evaluate", "log(0 - volume)", "--data", "tiny.yaml")
    assert (done.returncode, done.stderr) == (1, "error: log(0 - volume) could not be judged\n")
    assert "could not be judged: the factor has no value in the universe" in done.stdout
    assert "nan" not in done.stdout
    asked = ("evaluate", "log(0 - volume)", "--data", "tiny.yaml", "--json", "--full")
    found = document(cli(*asked), code=1)
    assert found["detail"] is None
    assert "has no value" in found["problem"]


def test_the_test_split_is_revealed_on_record(cli: Cli, workplace: Path) -> None:
    import alphamine as am

    search = ("search", "--data", "tiny.yaml", "--searcher", "random", "--budget", "20")
    assert document(cli(*search, "--run-dir", "sealed", "--json"))["test_openings"] == []
    assert "opened for the first time" in cli("reveal", "sealed").stdout
    assert document(cli("reveal", "sealed", "--json"))["opened"] == 2
    openings = am.open_run(workplace / "sealed").test_openings
    assert [entry["trials"] for entry in openings] == [20, 20]
    assert "there is no directory nowhere" in refused(cli("reveal", "nowhere"))


def test_mixed_units_warn_on_stderr_and_are_refused_if_asked(cli: Cli) -> None:
    arguments = ("evaluate", "close + volume", "--data", "tiny.yaml", "--json")
    done = cli(*arguments)
    assert len(document(done)["unit_warnings"]) == 1
    assert "mixes price with volume" in done.stderr
    assert "mixes price with volume" in refused(cli(*arguments, "--strict-units"))


BAD_FORMULAS = {
    "unknown operator": ("ts_maen(close, 5)", "ts_mean"),
    "unknown field": ("rank(clse)", "close"),
    "negative delay": ("ts_delay(close, -1)", "ts_delay"),
    "window longer than the panel": ("ts_mean(close, 400)", "look back"),
    "unbalanced": ("rank(close", "^"),
    "python": ("__import__('os').system('true')", "^"),
    "empty": ("", "formula"),
}


@pytest.mark.parametrize("case", BAD_FORMULAS)
def test_bad_formulas_are_refused(cli: Cli, case: str) -> None:
    formula, hint = BAD_FORMULAS[case]
    assert hint in refused(cli("evaluate", formula, "--data", "tiny.yaml", "--json"))


BAD_OPTIONS = {
    "missing specification": (("--data", "absent.yaml"), "absent.yaml"),
    "negative delay": (("--data", "tiny.yaml", "--delay", "-1"), "delay"),
    "no horizon": (("--data", "tiny.yaml", "--horizon", "0"), "horizon"),
    "unknown universe": (("--data", "tiny.yaml", "--universe", "NOPE"), "NOPE"),
    "unknown price": (("--data", "tiny.yaml", "--price", "clse"), "clse"),
    "test split": (("--data", "tiny.yaml", "--split", "test"), "test split stays closed"),
    "unknown dialect": (("--data", "tiny.yaml", "--dialect", "klingon"), "klingon"),
    "unknown storage": (("--data", "tiny.yaml", "--dtype", "int8"), "int8"),
    "no data": ((), "--data"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_requests_are_refused(cli: Cli, case: str) -> None:
    options, hint = BAD_OPTIONS[case]
    assert hint in refused(cli("evaluate", "rank(close)", *options))


def test_a_page_is_written_alone_or_with_its_library_and_named(cli: Cli, workplace: Path) -> None:
    asked = ("evaluate", "rank(close)", "--data", "tiny.yaml")
    assert "give --html FILE, too" in refused(cli(*asked, "--single-file"))
    done = cli(*asked, "--html", "alone.html", "--single-file")
    assert "report: alone.html" in done.stdout
    assert (workplace / "alone.html").stat().st_size > 1_000_000
