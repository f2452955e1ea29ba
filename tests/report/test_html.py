"""The report: self-contained, closed to scripts from data, complete."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alphamine as am
from alphamine.errors import AlphamineError, SearchError
from alphamine.jobs.run import Run, open_run
from alphamine.jobs.store import Record, Store

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'; alert(1); //",
    "{{ 7 * 7 }}{% for x in y %}",
    "</title></style><iframe src=javascript:alert(1)>",
    "<!--<script>",
    "&lt;b&gt;\u2028\u202e",
)


def write_run(directory: Path, text: str = "ts_mean(close, 5)", members: int = 2) -> Run:
    """A finished run in which every free text is `text`."""
    rng = np.random.default_rng(1)
    dates = [f"2020-01-{day:02d}" for day in range(1, 21)]
    facts: dict[str, Any] = {
        "name": text, "searcher": text, "options": {text: text}, "seed": 3, "budget": 40,
        "seconds": 12.5, "version": "0.1.0", "fitted_on": "train",
        "panel": {"name": text, "fingerprint": text, "rows": 900, "symbols": 50, "fields": [text]},
        "splits": {"train": {"start": "2020-01-01", "end": "2020-01-20", "days": 20}},
        "label": {"horizon": 5, "delay": 1, "price": text, "settled_share": 0.01},
        "trust": {
            "trials": 40, "mean": 0.0, "squares": 0.1, "best_of_luck": 2.1, "discoveries": 1,
            "family_split": text, "overfitting": 0.25, "paths": [0.1, -0.2],
        },
        "placebo": {"best": [0.01] * 19, "p_value": 0.05},
        "finished": "2026-01-01 00:00", "stopped": text, "recovery": 0.625,
        "correlation": np.eye(members).tolist(),
        "combined": {
            split: {"dates": dates, "rank_ic": rng.normal(0.02, 0.1, 20).tolist(),
                    "numbers": {"rank_ic": 0.0213, "rank_icir": 0.2}}
            for split in ("train", "valid")
        },
    }  # fmt: skip
    with closing(Store.create(directory, facts)) as store:
        scores = rng.normal(0, 0.02, 40)
        store.record(0, [
            Record(f"{i:032x}", f"{text} {i}", abs(x), 0.0, {"rank_ic": x}, {"rank_ic": x / 2},
                   text)
            for i, x in enumerate(scores)
        ])  # fmt: skip
        store.write_pool([
            {"position": i + 1, "digest": f"{i:032x}", "formula": text, "sign": -1,
             "train_rank_ic": 0.04321, "valid_rank_ic": float("nan"), "train_rank_icir": 0.5,
             "valid_rank_icir": 0.25, "turnover": 0.1, "max_correlation": 0.3,
             "verdict": text, "t": 3.2, "valid_t": 1.1, "q_value": 0.04, "family_p": 0.2}
            for i in range(members)
        ])  # fmt: skip
        store.event("test opened", {"who": text, "at": text})
    return open_run(directory)


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


def shape(page: Page) -> list[tuple[str, tuple[str, ...]]]:
    return [(tag, tuple(attributes)) for tag, attributes in page.elements]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Page:
    run = write_run(tmp_path_factory.mktemp("plain") / "run")
    return Page(run.report().read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", HOSTILE)
def test_data_never_becomes_markup(text: str, plain: Page, tmp_path: Path) -> None:
    page = Page(write_run(tmp_path / "run", text).report().read_text(encoding="utf-8"))
    assert shape(page) == shape(plain)
    assert text in "".join(page.text)
    for kind, script in page.scripts:
        if kind == "application/json":
            json.loads(script)


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


def test_a_pool_of_one_needs_no_correlation_map(tmp_path: Path) -> None:
    page = Page(write_run(tmp_path / "run", members=1).report().read_text(encoding="utf-8"))
    assert sum(kind == "application/json" for kind, _ in page.scripts) == 3


def test_an_empty_pool_still_has_a_report(tmp_path: Path) -> None:
    text = write_run(tmp_path / "run", members=0).report().read_text(encoding="utf-8")
    assert "No formula was good enough" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_the_page_of_a_formula_escapes_too(text: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pages = []
    for name in ("plain", text):
        panel = am.Panel.from_arrays(
            np.arange("2020-01", "2020-04", dtype="datetime64[D]"),
            [f"S{i}" for i in range(12)],
            {"close": rng.uniform(10, 20, (91, 12))},
            name=name,
        )
        path = am.evaluate("rank(close) < 0.5", panel).write_html(tmp_path / "page.html")
        pages.append(Page(path.read_text(encoding="utf-8")))
    assert shape(pages[0]) == shape(pages[1])
    assert text in "".join(pages[1].text)
    assert "rank(close) < 0.5" in "".join(pages[1].text)
    assert sum(kind == "code" for kind, _ in pages[1].scripts) == 2


def test_an_unfinished_run_has_no_report(tmp_path: Path) -> None:
    Store.create(tmp_path, {"name": "cut"}).close()
    with pytest.raises(SearchError, match="was cut short after 0 formulas"):
        open_run(tmp_path).report()


def test_a_report_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    with pytest.raises(AlphamineError, match="cannot write the report"):
        run.report(tmp_path / "absent" / "report.html")
