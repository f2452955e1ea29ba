"""Specifications are strict: what is not understood is refused, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

import alphamine as am
from alphamine.data.dataset.specfile import read_mapping, read_spec
from alphamine.data.paths import resolve
from alphamine.errors import DataError

GOOD = "name: x\nsource: {kind: csv, path: prices.csv}\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "spec.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "univers: all\n", "unknown key 'univers'; did you mean 'universe'"),
        (GOOD + "label: {horizn: 5}\n", r"unknown key 'label\.horizn'; did you mean 'horizon'"),
        ("source: {kind: csv, path: a, pth: b}\n", r"unknown key 'source\.pth'"),
        ("source: {kind: excel, path: a}\n", "source: .*'excel'"),
        ("source: {kind: csv}\n", "give either path .* or files"),
        ("name: x\n", "source: Field required"),
        (GOOD + "min_names: 1\n", "min_names: .*greater than or equal to 2"),
        (GOOD + "label: {horizon: many}\n", r"label\.horizon: .*valid integer"),
        (GOOD + "universe: all\nuniverse: tradable\n", "key 'universe' occurs twice"),
        (GOOD + "label: {delay: 1, delay: 0}\n", "key 'delay' occurs twice"),
        (GOOD + "label: &a {delay: 1}\ncosts: *a\n", r"aliases \(\*a\)"),
        (GOOD + "x: " + "[" * 40 + "]" * 40, "nested more than 20"),
        (GOOD + "x: !!python/object/apply:os.system [ls]\n", "not valid YAML"),
        (GOOD + "label: {\n", "not valid YAML"),
        (GOOD + "calendar: {start: 2020-13-45}\n", "not valid YAML"),
        ("- a\n- b\n", "must be a YAML mapping"),
        ("", "must be a YAML mapping"),
        ("source: {kind: csv, path: '${NO_SUCH_VARIABLE_X}/a'}\n", "NO_SUCH_VARIABLE_X, which is"),
        ("source: {kind: csv, path: 5}\n", "a path is a text"),
    ],
)
def test_bad_specifications_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_spec(write(tmp_path, text))


def test_the_file_must_be_a_readable_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no specification file .*nothing\.yaml"):
        read_spec(tmp_path / "nothing.yaml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot read"):
        read_mapping(tmp_path / "binary")
    with pytest.raises(DataError, match="larger than"):
        read_mapping(write(tmp_path, "#" * (2 << 20)))


def test_the_name_defaults_to_the_file(tmp_path: Path) -> None:
    assert read_spec(write(tmp_path, GOOD.replace("name: x\n", ""))).name == "spec"


def test_paths_start_at_the_file_or_at_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOME_DATA", raising=False)
    assert resolve("../a.csv", tmp_path / "specs") == tmp_path / "a.csv"
    assert resolve("${SOME_DATA:-../b}/a.csv", tmp_path / "specs") == tmp_path / "b" / "a.csv"
    monkeypatch.setenv("SOME_DATA", "/data")
    assert resolve("${SOME_DATA:-../b}/a.csv", tmp_path) == Path("/data/a.csv")
    monkeypatch.setenv("SOME_DATA", "here")
    monkeypatch.chdir(tmp_path)
    assert resolve("${SOME_DATA}/a.csv", Path("/elsewhere")) == tmp_path / "here" / "a.csv"
    assert resolve("~/a.csv", tmp_path) == Path.home() / "a.csv"


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "data_specs").glob("*.yaml")))
def test_the_shipped_specifications_are_valid(path: Path) -> None:
    assert read_spec(path).name == path.stem


def test_what_is_wrong_is_one_line_whatever_the_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    cases = {
        "label: {\n": "bad.yaml is not valid YAML: line 2, column 1: ",
        "name: a\nname: b\n": "bad.yaml: line 2, column 1: key 'name' occurs twice",
        "x: \0": "bad.yaml is not valid YAML: ",
        "".join(f"k{i}: {i}\n" for i in range(2000)): "and 1998 more",
        f"source: {{kind: csv, path: prices.csv}}\nuniverse: [{'long ' * 2000}]\n": "universe: ",
        f"source: {{kind: csv, path: {'x' * 5000}/y.csv}}\n": "x/y.csv",
    }
    for text, message in cases.items():
        path.write_text(text)
        with pytest.raises(DataError) as caught:
            am.load(path)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 1000
