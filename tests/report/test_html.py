"""The report: self-contained, closed to scripts from data, complete."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from alphamine.errors import AlphamineError, SearchError
from alphamine.runs.run import Run, open_run
from alphamine.runs.store import Store

WriteRun = Callable[..., Run]


class Page(HTMLParser):
    """Elements with their attributes, and the text of every script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[str, str]] = []
        self.text: list[str] = []
        self._script: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self._script = dict(attrs).get("type") or "code"
            self.scripts.append((self._script, ""))

    def handle_endtag(self, tag: str) -> None:
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.text.append(data)
        else:
            kind, sofar = self.scripts.pop()
            self.scripts.append((kind, sofar + data))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, write_run: WriteRun) -> Page:
    run = write_run(tmp_path_factory.mktemp("plain") / "run")
    return Page(run.report(single_file=True).read_text(encoding="utf-8"))


def test_only_two_scripts_may_run_and_nothing_may_load(plain: Page) -> None:
    code = [script for kind, script in plain.scripts if kind == "code"]
    assert len(code) == 2
    [policy] = [
        a["content"] for _, a in plain.elements if a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    digests = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in code}
    assert allowed == digests
    [script_rule] = [rule for rule in policy.split("; ") if rule.startswith("script-src")]
    assert "unsafe" not in script_rule
    for tag, attributes in plain.elements:
        assert "src" not in attributes, tag
        assert "href" not in attributes, tag
        assert not any(name.startswith("on") for name in attributes), tag


def test_the_page_shows_the_pool_and_the_number_of_trials(plain: Page) -> None:
    text = " ".join(" ".join(plain.text).split())
    assert "40 distinct formulas were tried" in text
    assert "+0.0432" in text
    assert "62.5%" in text
    assert text.count("+0.0213") == 2
    figures = [json.loads(s) for kind, s in plain.scripts if kind == "application/json"]
    assert len(figures) == 4
    cumulative = figures[0]["data"]
    assert [line["name"] for line in cumulative] == ["train", "valid"]
    assert len(cumulative[0]["y"]) == 20


def test_a_pool_of_one_needs_no_correlation_map(tmp_path: Path, write_run: WriteRun) -> None:
    page = Page(write_run(tmp_path / "run", members=1).report().read_text(encoding="utf-8"))
    assert sum(kind == "application/json" for kind, _ in page.scripts) == 3


def test_an_empty_pool_still_has_a_report(tmp_path: Path, write_run: WriteRun) -> None:
    text = write_run(tmp_path / "run", members=0).report().read_text(encoding="utf-8")
    assert "The pool is empty: no formula added more than luck could show" in text


def test_an_unfinished_run_has_no_report(tmp_path: Path) -> None:
    Store.create(tmp_path, {"name": "cut"}).close()
    with pytest.raises(SearchError, match="was cut short after 0 formulas"):
        open_run(tmp_path).report()


@pytest.mark.parametrize("lacking", ["trust", "recovery", "pool: verdict"])
def test_a_run_of_another_version_says_what_it_lacks(
    lacking: str, tmp_path: Path, write_run: WriteRun
) -> None:
    run = write_run(tmp_path / "run")
    run.facts.pop(lacking, None)
    if lacking == "pool: verdict":
        run.members = [{k: v for k, v in row.items() if k != "verdict"} for row in run.members]
    with pytest.raises(SearchError, match=rf"recorded by alphamine 0.1.0 without {lacking}, which"):
        run.report()


def test_a_run_of_another_version_says_so_to_programs_too(
    tmp_path: Path, write_run: WriteRun
) -> None:
    run = write_run(tmp_path / "run")
    run.facts.pop("trust")
    for asked in (run.to_dict, lambda: run.trial_count):
        with pytest.raises(SearchError, match=r"recorded by alphamine 0.1.0 without trust, which"):
            asked()


def test_a_report_that_cannot_be_written_says_so(tmp_path: Path, write_run: WriteRun) -> None:
    run = write_run(tmp_path / "run")
    (tmp_path / "file").touch()
    for single_file in (False, True):
        with pytest.raises(AlphamineError, match="cannot write the report"):
            run.report(tmp_path / "file" / "report.html", single_file=single_file)


@pytest.mark.parametrize("single_file", [False, True])
def test_the_folder_of_a_report_is_made(
    tmp_path: Path, write_run: WriteRun, single_file: bool
) -> None:
    path = tmp_path / "some" / "folder" / "report.html"
    assert write_run(tmp_path / "run").report(path, single_file=single_file) == path
    assert path.read_text("utf-8").startswith("<!doctype html>")
    assert len([*path.parent.glob("plotly-*.min.js")]) == (not single_file)


def _text(run: Run) -> str:
    return " ".join(" ".join(Page(run.report().read_text(encoding="utf-8")).text).split())


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (
            [0.531, 0.42, 0.531],
            'rank ICIR of "take the best member" on 3 purged paths: +0.53, +0.42',
        ),
        ([0.531] * 5, "all 5 purged paths are one: rank ICIR +0.53 "),
    ],
)
def test_paths_that_are_one_are_shown_once(
    tmp_path: Path, write_run: WriteRun, paths: list[float], said: str
) -> None:
    run = write_run(tmp_path / "run")
    run.facts["trust"]["paths"] = paths
    assert said in _text(run)


@pytest.mark.parametrize(
    ("searcher", "said"), [("random", "the width of the bulk"), ("genetic", "no measure of luck")]
)
def test_the_bulk_of_a_guided_search_is_not_called_luck(
    tmp_path: Path, write_run: WriteRun, searcher: str, said: str
) -> None:
    run = write_run(tmp_path / "run")
    run.facts["searcher"] = searcher
    captions = ("the width of the bulk", "no measure of luck")
    assert [caption in _text(run) for caption in captions] == [
        caption == said for caption in captions
    ]


def test_members_that_are_silent_on_many_days_are_named(
    tmp_path: Path, write_run: WriteRun
) -> None:
    run = write_run(tmp_path / "run")
    run.members[1]["flat_days"] = 0.004
    said = "has the same value for all names on 20.0% of the days of train"
    assert [remark.startswith(f"#1 {said}") for remark in run.remarks] == [True]
    assert f"#1 {said}" in _text(run)
    assert run.to_dict()["remarks"] == run.remarks
