"""A bundle computes the signal by itself, says what is wrong with its input, and is whole."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import spearmanr

import alphamine as am
from alphamine.errors import AlphamineError, FormulaError
from alphamine.exporters.kits.command import LEAST
from alphamine.expression.nodes import field
from alphamine.operators import CATALOGUE, Family
from alphamine.operators.entry import from_function
from alphamine.pool.alpha_pool import AlphaPool

TARGETS = ("numpy", "pandas", "polars", "duckdb")
TEXTS = (
    "rank(ts_corr(close, volume, 10))",
    "-ts_std_dev(close, 20) / ts_mean(close, 20)",
    "group_neutralize(ts_rank(volume, 5), sector) + is_nan(close)",
    "ts_mean(volume, 20) - ts_backfill(volume, 3)",
)
Asked = Callable[..., tuple[int, str]]


def make_pool(**settings: Any) -> AlphaPool:
    formulas = tuple(am.parse(text) for text in TEXTS)
    origin = {"run": "r1", "name": "first", "trials": 400, "test_openings": 1}
    return AlphaPool(formulas, (0.5, -1.0, 2.0, 0.25), provenance=origin, **settings)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds nothing but the bundle `signal_a`."""
    folder = tmp_path_factory.mktemp("production")
    am.export(make_pool(), folder / "signal_a", [*TARGETS, "streaming", "latex", "qlib"])
    return folder


@pytest.fixture
def bundle(place: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(place / "signal_a", tmp_path / "signal_a"))


def compute(bundle: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command of a bundle, in an environment that cannot import ours."""
    blocked = bundle.parent / "alphamine"
    blocked.mkdir(exist_ok=True)
    (blocked / "__init__.py").write_text("raise ImportError('a bundle is self-contained')")
    return subprocess.run(
        [sys.executable, "-m", bundle.name, *arguments],
        cwd=bundle.parent,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(bundle.parent)},
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Asked:
    """The exit code of a bundle's command and what it said on stderr, in this process."""

    def ask(bundle: Path, *arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", [bundle.name, *arguments])
        command = runpy.run_path(str(bundle / "__main__.py"), run_name="command")
        code = command["main"]()
        return code, capsys.readouterr().err

    return ask


def prices(bundle: Path) -> pd.DataFrame:
    return pd.read_parquet(bundle / "golden_input.parquet")


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("standardisation", "min_periods"),
    [
        ("rank", 2),
        pytest.param("rank", "full", marks=SLOW),
        pytest.param("value", "full", marks=SLOW),
        pytest.param("value", 2, marks=SLOW),
    ],
)
def test_every_target_equals_the_reference(
    standardisation: str, min_periods: Any, tmp_path: Path
) -> None:
    pool = make_pool(standardisation=standardisation, min_periods=min_periods)
    bundle = am.export(pool, tmp_path / "signal_b", [*TARGETS, "streaming"])
    done = subprocess.run(
        [sys.executable, str(bundle.directory / "test_equivalence.py")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("equal") == len(TARGETS) + 1


def test_the_test_of_a_bundle_notices_other_numbers(bundle: Path) -> None:
    code = (bundle / "signal_pandas.py").read_text()
    (bundle / "signal_pandas.py").write_text(code.replace("(0.5, formula_1)", "(0.6, formula_1)"))
    done = subprocess.run(
        [sys.executable, str(bundle / "test_equivalence.py")], capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "not" in done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_a_day_is_computed_from_prices(bundle: Path, target: str) -> None:
    day = str(prices(bundle)["date"].max())[:10]
    done = compute(
        bundle,
        "compute",
        "--input",
        "signal_a/golden_input.parquet",
        "--output",
        "out.parquet",
        "--date",
        day,
        "--target",
        target,
    )
    assert done.returncode == 0, done.stderr
    assert f"of 1 days, computed with {target}" in done.stdout
    got = pd.read_parquet(bundle.parent / "out.parquet").set_index("symbol")["signal"]
    want = pd.read_parquet(bundle / "golden_output.parquet")
    want = want[want["date"] == day].set_index("symbol")["signal"]
    assert len(want) > 20
    pd.testing.assert_series_equal(got.sort_index(), want.sort_index(), rtol=1e-9, atol=1e-9)


Damage = Callable[[pd.DataFrame], pd.DataFrame]
BAD_INPUT: dict[str, tuple[Damage, str]] = {
    "a missing column": (lambda t: t.drop(columns="volume"), "has no column 'volume'"),
    "too little history": (
        lambda t: t[t["date"] > t["date"].unique()[-5]], "needs 19 days of history",
    ),
    "unsorted days": (lambda t: t.iloc[::-1], "not in order of date"),
    "duplicate rows": (
        lambda t: pd.concat([t, t.iloc[-1:]]), "more than one row of a symbol on a date",
    ),
    "another universe": (lambda t: t.assign(universe=False), "no symbol counts on"),
    "prices as text": (
        lambda t: t.assign(close=t["close"].astype(str)), "'close' of .* has to hold number",
    ),
    "prices below zero": (
        lambda t: t.assign(close=t["close"].where(t.index != 3, -1.0)),
        "'close' of .* holds prices of zero or less",
    ),
    "a universe of numbers": (
        lambda t: t.assign(universe=t["universe"].astype(int)), "has to hold bool, .* holds number",
    ),
    "days as numbers": (
        lambda t: t.assign(date=t["date"].dt.strftime("%Y%m%d").astype(int)),
        "has to hold date or text, but it holds number",
    ),
    "days in another style": (
        lambda t: t.assign(date=t["date"].dt.strftime("%Y%m%d")), "are written as .* has '20200",
    ),
    "days of a time zone": (
        lambda t: t.assign(date=t["date"].dt.tz_localize("Asia/Kolkata")),
        "'date' .* holds dates with a time zone",
    ),
    "two times of a day": (
        lambda t: pd.concat([t, t.tail(3).assign(date=t["date"].max() + pd.Timedelta(hours=6))]),
        "of more than one time of day",
    ),
    "symbols as numbers": (
        lambda t: t.assign(symbol=t["symbol"].str[1:].astype(int)),
        "'symbol' of .* has to hold text",
    ),
    "rows without a symbol": (
        lambda t: t.assign(symbol=t["symbol"].where(t.index > 3)), "without a value of 'symbol'",
    ),
    "rows without a day": (
        lambda t: t.assign(date=t["date"].where(t.index > 3)), "without a value of 'date'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_line_and_writes_nothing(
    place: Path, tmp_path: Path, case: str, target: str, asked: Asked
) -> None:
    damage, message = BAD_INPUT[case]
    good = prices(place / "signal_a")
    bad, out = tmp_path / "bad.parquet", tmp_path / "out.parquet"
    damage(good).to_parquet(bad, index=False)
    code, said = asked(
        place / "signal_a",
        "compute",
        "--input",
        str(bad),
        "--output",
        str(out),
        "--date",
        str(good["date"].max())[:10],
        "--target",
        target,
    )
    assert (code, said.count("\n")) == (2, 1), said
    assert re.search(message, said), said
    assert [*tmp_path.iterdir()] == [bad]


def test_a_universe_of_nobody_is_refused_for_all_days_too(
    place: Path, tmp_path: Path, asked: Asked
) -> None:
    bad = tmp_path / "bad.parquet"
    prices(place / "signal_a").assign(universe=False).to_parquet(bad, index=False)
    out = ("--output", str(tmp_path / "out.parquet"))
    code, said = asked(place / "signal_a", "compute", "--input", str(bad), *out)
    assert (code, said.count("\n")) == (2, 1), said
    assert "no symbol counts on any day" in said


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["close", "date", "universe", "unused"])
def test_two_columns_of_one_name_are_refused_by_it(
    place: Path, tmp_path: Path, name: str, target: str, asked: Asked
) -> None:
    good = pq.read_table(place / "signal_a" / "golden_input.parquet")
    bad, out = tmp_path / "bad.parquet", tmp_path / "out.parquet"
    names = [*dict.fromkeys([*good.schema.names, name]), name]
    others = [good["volume"]] * (len(names) - len(good.columns))
    pq.write_table(pa.Table.from_arrays([*good.columns, *others], names), bad)
    request = ["--input", str(bad), "--output", str(out), "--target", target]
    code, said = asked(place / "signal_a", "compute", *request)
    assert (code, said.count("\n")) == (2, 1), said
    assert re.search(f"'{name}' (and '{name}' have one name|has more than one occurrence)", said)
    assert [*tmp_path.iterdir()] == [bad]


def test_duckdb_refuses_columns_that_capitals_alone_tell_apart(
    place: Path, tmp_path: Path, asked: Asked
) -> None:
    table = prices(place / "signal_a")
    table.insert(0, "CLOSE", 0.0)
    table["parts"] = [[1.0, 2.0]] * len(table)  # whose own parts are no columns
    table["other parts"] = table["parts"]
    for target in TARGETS:
        given = tmp_path / f"{target}.parquet"
        table.to_parquet(given, index=False)
        request = ["--input", str(given), "--output", str(tmp_path / "out"), "--target", target]
        code, said = asked(place / "signal_a", "compute", *request)
        assert code == (2 if target == "duckdb" else 0), said
        assert target != "duckdb" or "'CLOSE' and 'close' have one name" in said
        table.drop(columns="CLOSE").to_parquet(given, index=False)
        assert asked(place / "signal_a", "compute", *request) == (0, "")


@pytest.mark.parametrize("target", TARGETS)
def test_an_output_that_cannot_be_written_is_one_line(
    place: Path, tmp_path: Path, target: str, asked: Asked
) -> None:
    source = str(place / "signal_a" / "golden_input.parquet")
    out = str(tmp_path / "absent" / "out.parquet")
    request = ["compute", "--input", source, "--output", out, "--target", target]
    code, said = asked(place / "signal_a", *request)
    assert (code, said.count("\n")) == (2, 1), said
    assert "is no directory to write to" in said
    assert not [*tmp_path.iterdir()]


def test_an_input_that_is_no_parquet_is_one_line(place: Path, tmp_path: Path, asked: Asked) -> None:
    bad = tmp_path / "bad.parquet"
    bad.write_text("date,symbol\n")
    for target in TARGETS:
        code, said = asked(
            place / "signal_a",
            "compute",
            "--input",
            str(bad),
            "--output",
            str(tmp_path / "out.parquet"),
            "--target",
            target,
        )
        assert (code, said.count("\n")) == (2, 1), said
        assert "cannot be read as Parquet" in said


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", ["indexed", "nothing known"])
def test_prices_are_read_in_every_form(
    place: Path, tmp_path: Path, kind: str, target: str, asked: Asked
) -> None:
    table = prices(place / "signal_a")
    if kind == "indexed":
        table.set_index(["date", "symbol"]).to_parquet(tmp_path / "in.parquet")
    else:
        table.assign(sector=None).to_parquet(tmp_path / "in.parquet", index=False)
    out = tmp_path / "out.parquet"
    request = ["--input", str(tmp_path / "in.parquet"), "--output", str(out), "--target", target]
    code, said = asked(place / "signal_a", "compute", *request)
    assert code == 0, said
    got, want = pd.read_parquet(out), pd.read_parquet(place / "signal_a" / "golden_output.parquet")
    got, want = (t.set_index(["date", "symbol"])["signal"].sort_index() for t in (got, want))
    want = want[want.index.get_level_values("date") >= got.index[0][0]]
    assert got.index.equals(want.index)
    if kind == "indexed":
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


def in_three(*thirds: Any) -> list[Any]:
    """Days of nine names, a third of which have another label each day."""
    first, second = ("a", "b") if isinstance(thirds[0], str) else (1.0, 2.0)
    return [label for third in thirds for label in (first, second, third) * 3]


LABELS = {
    "texts": pa.array(in_three("", None, " ", "nan")),
    "categories": pa.array(in_three("", None, " ", "nan")).dictionary_encode(),
    "numbers": pa.array(in_three(np.nan, None, -1.0, 0.0), from_pandas=False),
}


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grouped") / "signal_a"
    return am.export("group_rank(close, sector)", folder, [*TARGETS, "streaming"]).directory


@pytest.mark.parametrize("kind", LABELS)
def test_labels_are_groups_where_they_are_in_a_panel(
    grouped: Path, tmp_path: Path, kind: str
) -> None:
    dates = np.arange("2020-01-06", "2020-01-10", dtype="datetime64[D]").astype("datetime64[ms]")
    table = pa.table(
        {
            "date": np.repeat(dates, 9),
            "symbol": [f"S{i:02d}" for i in range(36)],
            "close": [3.0, 1.0, 7.0, 1.0, 2.0, 8.0, 2.0, 3.0, 9.0] * 4,
            "sector": LABELS[kind],
        }
    )
    want = np.array([[1.0, 0.0, np.nan, 0.0, 0.5, np.nan, 0.5, 1.0, np.nan]] * 4)
    want[2:, 2::3] = [0.0, 0.5, 1.0]
    panel = am.Panel.from_frame(table, groups=["sector"])
    signal = am.load_bundle(grouped).signal(panel)
    np.testing.assert_array_equal(signal[panel.universe], want.ravel())
    pq.write_table(table, tmp_path / "in.parquet")
    for target in TARGETS:
        out = tmp_path / f"{target}.parquet"
        request = ["--input", str(tmp_path / "in.parquet"), "--output", str(out)]
        done = compute(grouped, "compute", *request, "--target", target)
        assert done.returncode == 0, done.stderr
        got = pd.read_parquet(out)["signal"].to_numpy(np.float64)
        np.testing.assert_array_equal(got, want.ravel(), target)
    stream = runpy.run_path(str(grouped / "signal_streaming.py"))["Stream"]()
    for row, (date, day) in enumerate(table.to_pandas().groupby("date")):
        got = stream.append(date, day["symbol"], day)
        np.testing.assert_array_equal(got, want[row])


def test_the_test_of_a_bundle_holds_both_ways_to_have_no_group_and_texts_that_look_so(
    grouped: Path,
) -> None:
    labels = prices(grouped)["sector"]
    assert labels.isna().any()
    assert {"", " ", "nan"} < set(labels.dropna())
    done = subprocess.run(
        [sys.executable, str(grouped / "test_equivalence.py")], capture_output=True, text=True
    )
    assert done.stdout.count("equal") == len(TARGETS) + 1, done.stderr


def test_prices_are_one_file_that_is_not_replaced(
    place: Path, tmp_path: Path, asked: Asked
) -> None:
    source = shutil.copy(place / "signal_a" / "golden_input.parquet", tmp_path / "in.parquet")
    for given, out, message in (
        (source, source, "would replace the prices"),
        (tmp_path, tmp_path / "out.parquet", "is no file to read"),
        (tmp_path / "*.parquet", tmp_path / "out.parquet", "is no file to read"),
    ):
        request = ["compute", "--input", str(given), "--output", str(out)]
        code, said = asked(place / "signal_a", *request)
        assert (code, said.count("\n")) == (2, 1), said
        assert message in said
    assert [*tmp_path.iterdir()] == [source]
    pd.testing.assert_frame_equal(pd.read_parquet(source), prices(place / "signal_a"))


@pytest.mark.parametrize("library", LEAST)
def test_a_library_that_is_too_old_is_named(
    library: str, place: Path, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _: "0.99.7")
    bundle = place / "signal_a"
    source = str(bundle / "golden_input.parquet")
    code, said = asked(bundle, "compute", "--input", source, "--output", "out", "--target", library)
    assert (code, said.count("\n")) == (2, 1), said
    assert f"has to be installed: {library} {LEAST[library]} or later" in said


def test_code_asks_for_the_versions_that_it_is_tested_with() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert {f"{name}>={least}" for name, least in LEAST.items()} <= {
        *extras["sql"],
        *extras["polars"],
    }


def test_a_bundle_without_code_for_files_says_so(tmp_path: Path, asked: Asked) -> None:
    bundle = am.export("ts_mean(close, 5)", tmp_path / "signal_c", ["streaming", "qlib"])
    source = str(bundle.directory / "golden_input.parquet")
    code, said = asked(bundle.directory, "compute", "--input", source, "--output", "out")
    assert (code, said.count("\n")) == (2, 1), said
    assert "no code here computes from a file (targets: streaming, qlib)" in said


def test_a_newer_schema_and_a_changed_file_are_refused(bundle: Path, asked: Asked) -> None:
    request = ("compute", "--input", str(bundle / "golden_input.parquet"), "--output", "out")
    code = bundle / "signal_numpy.py"
    code.write_text(code.read_text() + "\n")
    exit_code, said = asked(bundle, *request)
    assert (exit_code, said.count("\n")) == (2, 1)
    assert "signal_numpy.py was changed after the export" in said
    with pytest.raises(AlphamineError, match="changed after the export"):
        am.load_bundle(bundle)
    spec = json.loads((bundle / "spec.json").read_text())
    (bundle / "spec.json").write_text(json.dumps({k: spec[k] for k in ("schema", "files")}))
    exit_code, said = asked(bundle, *request)
    assert (exit_code, said.count("\n")) == (2, 1)
    assert "spec.json cannot be read (KeyError('targets'))" in said
    (bundle / "spec.json").write_text(json.dumps({**spec, "schema": 2}))
    exit_code, said = asked(bundle, *request)
    assert (exit_code, said.count("\n")) == (2, 1)
    assert "schema 2" in said
    with pytest.raises(AlphamineError, match="this one has schema 2"):
        am.load_bundle(bundle)


def test_a_bundle_is_opened_as_it_was_exported(place: Path) -> None:
    bundle = am.load_bundle(place / "signal_a")
    assert bundle.pool == make_pool()
    assert bundle.pool.provenance["trials"] == 400
    spec = bundle.spec
    assert {row["name"]: row["history"] for row in spec["inputs"]} == {
        "close": 19, "volume": 19, "sector": 0,
    }  # fmt: skip
    assert spec["formulas"][1]["dialects"]["brain"] == TEXTS[1]
    assert r"\frac" in spec["formulas"][1]["latex"]
    assert "qlib" not in spec["formulas"][0]["dialects"]
    schema = json.loads((place / "signal_a" / "spec.schema.json").read_text())
    assert {*schema["required"]} == {*spec}


def test_the_command_reads_the_prices_of_a_panel(place: Path, tmp_path: Path, asked: Asked) -> None:
    panel = am.load("synthetic").without_test()
    panel = panel.rows(panel.shape[0], panel.shape[0] - 60)
    bundle = am.load_bundle(place / "signal_a")
    table = bundle.prices(panel)
    labels = [str(label) for label in panel.group_names["sector"]]
    assert set(table["sector"].dropna()) <= set(labels)
    table.to_parquet(tmp_path / "prices.parquet", index=False)
    want = bundle.signal(panel)[-1]
    for target in TARGETS:
        request = ["--input", str(tmp_path / "prices.parquet"), "--output", str(tmp_path / "out")]
        day = ["--date", str(panel.dates[-1]), "--target", target]
        assert asked(bundle.directory, "compute", *request, *day) == (0, "")
        got = pd.read_parquet(tmp_path / "out").set_index("symbol")["signal"]
        inside = panel.universe[-1]
        np.testing.assert_allclose(got[panel.symbols[inside]], want[inside], rtol=1e-9, atol=1e-9)
        code, said = asked(bundle.directory, "compute", *request, "--date", "29/09/2023")
        assert (code, said.count("\n")) == (2, 1)
        assert "are written as 2026-11-27, but '29/09/2023'" in said


def test_the_readme_says_what_prices_are(place: Path, tmp_path: Path) -> None:
    text = (place / "signal_a" / "README.md").read_text()
    assert "Prices are adjusted for splits" in text
    am.export("ts_mean(volume, 5)", tmp_path / "flow", ["numpy"])
    assert "adjusted" not in (tmp_path / "flow" / "README.md").read_text()


def test_an_export_is_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(FormulaError, match="'polars' has no template of the operator 'group_backf"):
        am.export("group_backfill(close, sector, 5)", tmp_path / "out", ["numpy", "polars"])
    with pytest.raises(AlphamineError, match="got 'pandsa'; did you mean 'pandas'"):
        am.export("close", tmp_path / "out", ["pandsa"])
    with pytest.raises(AlphamineError, match="is no name of one"):
        am.export("close", tmp_path / "a-b")
    with pytest.raises(FormulaError, match="depends on all of its own past"):
        am.export("hump(close)", tmp_path / "out")
    assert [*tmp_path.iterdir()] == []
    am.export("close", tmp_path / "out")
    with pytest.raises(AlphamineError, match="exists"):
        am.export("close", tmp_path / "out")


def test_a_pool_keeps_its_own_min_periods(tmp_path: Path) -> None:
    pool = make_pool(min_periods=3)
    with pytest.raises(AlphamineError, match="min_periods of 3, but got min_periods 2; leave it"):
        am.export(pool, tmp_path / "out", min_periods=2)
    with pytest.raises(AlphamineError, match="but got min_periods 'full'"):
        am.export(pool, tmp_path / "out", min_periods="full")
    assert [*tmp_path.iterdir()] == []
    own = am.export(pool, tmp_path / "own", ["numpy"], min_periods=3)
    assert own.spec["settings"]["min_periods"] == 3
    formula = am.export(pool.formulas[0], tmp_path / "formula", ["numpy"], min_periods=2)
    assert formula.spec["settings"]["min_periods"] == 2


def test_shared_parts_are_computed_once(tmp_path: Path) -> None:
    pool = AlphaPool(
        tuple(am.parse(t) for t in ("ts_mean(close, 7) / close", "rank(ts_mean(close, 7))")),
        (1.0, 1.0),
    )
    bundle = am.export(pool, tmp_path / "out", TARGETS)
    for name in ("signal_numpy.py", "signal_pandas.py", "signal_polars.py"):
        code = (bundle.directory / name).read_text()
        calls = [line for line in code.splitlines() if "ts_mean" in line and "v1" in line]
        assert len(calls) == 1, name
        assert code.index("def shared(") < code.index(calls[0]) < code.index("def formula_1(")


def own_operator(x: Any, d: int) -> Any:
    """Distance to the value of d days ago, halved."""
    before = np.full_like(x, np.nan)
    before[d:] = x[: len(x) - d] if len(x) > d else x[:0]
    return HALF * (x - before)


HALF = 0.5


def test_operators_of_a_users_own_are_exported_by_their_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = from_function(
        "ts_half_step",
        own_operator,
        Family.TIME_SERIES,
        unit=CATALOGUE["ts_delta"].unit,
        lookback=lambda params: int(params[0]),
        bounds={},
        choices={},
    )
    monkeypatch.setitem(CATALOGUE._entries, operator.name, operator)
    bundle = am.export("rank(ts_half_step(close, 3))", tmp_path / "out", ["numpy"])
    code = (bundle.directory / "signal_numpy.py").read_text()
    assert "HALF = 0.5" in code
    assert "alphamine" not in "\n".join(x for x in code.splitlines() if "import" in x)
    done = subprocess.run(
        [sys.executable, str(bundle.directory / "test_equivalence.py")],
        capture_output=True,
        text=True,
    )
    assert "test_numpy: equal" in done.stdout, done.stderr
    with pytest.raises(FormulaError, match="'pandas' has no template of the operator 'ts_half_st"):
        am.export("ts_half_step(close, 3)", tmp_path / "other", ["pandas"])
    closed = replace(operator, reference=lambda x, d: x)
    monkeypatch.setitem(CATALOGUE._entries, operator.name, closed)
    with pytest.raises(FormulaError, match="no template of the operator 'ts_half_step'"):
        am.export("ts_half_step(open, 3)", tmp_path / "other", ["numpy"])


def test_generated_code_is_lint_clean_and_formatted(place: Path) -> None:
    code = [str(path) for path in (place / "signal_a").glob("*.py")]
    for command in (["check", "--select", "E,F,I,W"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length", "100", *code],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout


def test_formulas_as_text_for_something_else() -> None:
    formula = am.parse("ts_mean(close, 5) / close")
    assert formula.to("qlib") == "Mean($close, 5) / $close"
    assert formula.to("brain") == "ts_mean(close, 5) / close"
    assert formula.to("latex").startswith(r"\frac")
    assert "SELECT" in formula.to("sql")
    assert "import polars as pl" in formula.to("polars")
    with pytest.raises(AlphamineError, match="got 'sqll'; did you mean 'sql'"):
        formula.to("sqll")


@pytest.mark.parametrize("count", [30, pytest.param(10_000, marks=SLOW)])
def test_hostile_names_of_columns_stay_data(count: int) -> None:
    duckdb = pytest.importorskip("duckdb")
    rng = np.random.default_rng(0)
    letters = [*"\"'`;-)(,. \\abOR1=*/\n\t%${}[]\u2019\u201d"]
    with duckdb.connect() as database:
        for _ in range(count):
            name = "".join(rng.choice(letters, rng.integers(2, 20)))
            table = pd.DataFrame({
                "date": pd.to_datetime(["2020-01-01"] * 2), "symbol": ["a", "b"],
                "universe": True, name: [1.0, 2.0],
            })  # fmt: skip
            database.register("prices", table)
            got = database.execute((2.0 * field(name)).to("sql")).fetchall()
            assert [row[2] for row in got] == [2.0, 4.0], name
    with pytest.raises(FormulaError, match="NUL"):
        (2.0 * field("a\x00b")).to("duckdb")


@pytest.mark.parametrize("target", ["duckdb", "qlib"])
def test_fields_that_a_target_cannot_tell_apart_are_refused(target: str, tmp_path: Path) -> None:
    both = field("Close") / field("close")
    assert am.export(both, tmp_path / "apart", ["pandas", "polars", "numpy", "streaming"])
    with pytest.raises(FormulaError, match=f"{target}.*fields 'Close' and 'close'; rename one"):
        am.export(both, tmp_path / "one", [target])
    with pytest.raises(FormulaError, match="reads the field 'Row'; rename it"):
        am.export(field("Row") / field("close"), tmp_path / "one", [target])


@pytest.mark.parametrize("text", ["ts_mean(close, 5) / close", "ts_std_dev(rank(open), 5)"])
def test_what_single_precision_changes_is_said(text: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    close = 20.0 * np.exp(np.cumsum(rng.normal(0, 0.02, (60, 30)), axis=0))
    days = np.busday_offset("2024-01-01", np.arange(60), roll="forward")
    names = [f"N{i:02d}" for i in range(30)]
    fields = {"close": close, "open": np.roll(close, 1, axis=0).round(1)}
    panel = am.Panel.from_arrays(days, names, fields)
    bundle = am.export(text, tmp_path / "signal_d", ["numpy"], panel=panel)
    single, double = bundle.pool.signal(panel), bundle.pool.signal(panel, "float64")
    daily = [spearmanr(single[day], double[day])[0] for day in range(60 - 12, 60)]
    agreement = bundle.spec["settings"]["agreement_with_float32"]
    assert agreement == pytest.approx(np.mean(daily), abs=1e-9)
    assert f"correlate by {agreement:.4f}" in (bundle.directory / "README.md").read_text()
