"""Pages in a real browser: no script error, nothing fetched, nothing beyond the border of a phone.

Headless Chromium, watched through its DevTools protocol.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import alphamine as am
from alphamine.evaluation.backtest import backtest
from alphamine.jobs.comparison import Estimate, Row
from alphamine.report.html import comparison_page
from alphamine.report.plotly_js import put_beside
from alphamine.report.renderer import write_text
from alphamine.runs.run import Run

websocket = pytest.importorskip("tornado.websocket")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)

WIDTHS = (1280, 390)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which is not installed"),
]

_WIDEST = """(() => {
  const wide = document.documentElement.clientWidth;
  const free = e => !e.closest('.wide');
  const beyond = [...document.querySelectorAll('body *')].filter(
    e => free(e) && e.getBoundingClientRect().right > wide + 1);
  return {
    page: document.documentElement.scrollWidth, screen: wide,
    plots: document.querySelectorAll('.plot').length,
    drawn: document.querySelectorAll('.plot .main-svg').length > 0
      ? document.querySelectorAll('.plot.js-plotly-plot').length : 0,
    beyond: beyond.slice(0, 5).map(e => e.tagName + '.' + (e.getAttribute('class') || '')),
  };
})()"""


# The longest table: sorted by its last column by key and back by click, filtered by a word of its
# first row, and scrolled to its end.
_TOUCH = """(() => {
  const tables = [...document.querySelectorAll('.wide table')];
  const rows = table => table.tBodies[0].rows;
  const table = tables.sort((a, b) => rows(b).length - rows(a).length)[0];
  if (!table || rows(table).length < 8) return null;
  const heads = table.tHead.rows[0].cells, head = heads[heads.length - 1];
  const column = () => [...rows(table)].map(row => row.cells[heads.length - 1].textContent.trim());
  head.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}));
  const falling = column();
  head.click();
  const rising = column();
  const filter = table.parentElement.previousElementSibling;
  filter.value = rows(table)[0].cells[1].textContent.trim().toUpperCase();
  filter.dispatchEvent(new Event('input'));
  const left = [...rows(table)].filter(row => !row.hidden).map(row => row.cells[1].textContent);
  table.parentElement.scrollLeft = 1e6;
  return {
    falling, rising, left, sorted: head.getAttribute('aria-sort'), focus: head.tabIndex,
    wide: table.scrollWidth > table.parentElement.clientWidth,
    scrolled: table.parentElement.scrollLeft,
  };
})()"""


@dataclass
class Seen:
    """What a page did at one width.

    Attributes
    ----------
    complaints : list of str
        Script errors, console errors, violations of the page's policy.
    requests : list of str
        Everything that was asked for besides the page itself.
    layout : mapping
        `page` and `screen`: widths in pixels; `plots`, and how many were `drawn`; `beyond`: what
        reaches over the right border, tables that scroll excepted.
    picture : bytes
        PNG of the whole page.
    touched : mapping or None
        What its longest table did when it was sorted, filtered and scrolled.
    """

    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    layout: dict[str, Any] = field(default_factory=dict)
    picture: bytes = b""
    touched: dict[str, Any] | None = None


def look(pages: list[Path], widths: tuple[int, ...], profile: Path) -> dict[tuple[Path, int], Seen]:
    """Open every page at every width.

    Parameters
    ----------
    profile : Path
        An empty folder for the browser's own files.
    """
    assert CHROMIUM is not None
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
        f"--user-data-dir={profile}", "about:blank",
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as browser:
        try:
            return asyncio.run(_look(_address(browser), pages, widths))
        finally:
            browser.terminate()


def _address(browser: subprocess.Popen[str]) -> str:
    """Where the browser listens, as it says when it has started."""
    assert browser.stderr is not None
    for line in browser.stderr:
        if "DevTools listening on " in line:
            return line.split("DevTools listening on ")[1].strip()
    raise RuntimeError("the browser ended before it listened")


async def _look(
    address: str, pages: list[Path], widths: tuple[int, ...]
) -> dict[tuple[Path, int], Seen]:
    found = {}
    connection = await websocket.websocket_connect(address, max_message_size=1 << 28)
    devtools = _DevTools(connection)
    for page in pages:
        for width in widths:
            found[page, width] = await devtools.look(page, width)
    connection.close()
    while await connection.read_message() is not None:
        pass
    return found


class _DevTools:
    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.number = 0
        self.events: list[dict[str, Any]] = []

    async def ask(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events that come before are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        await self.connection.write_message(
            json.dumps(message | ({"sessionId": session} if session else {}))
        )
        while True:
            answer = await self.hear()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])

    async def hear(self) -> dict[str, Any]:
        text = await asyncio.wait_for(asyncio.ensure_future(self.connection.read_message()), 120)
        if text is None:
            raise RuntimeError("the browser went away")
        heard: dict[str, Any] = json.loads(text)
        if "method" in heard:
            self.events.append(heard)
        return heard

    async def look(self, page: Path, width: int) -> Seen:
        target = (await self.ask("Target.createTarget", url="about:blank"))["targetId"]
        attached = await self.ask("Target.attachToTarget", targetId=target, flatten=True)
        session = attached["sessionId"]
        self.events.clear()
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.ask(f"{domain}.enable", session)
        await self.ask(
            "Emulation.setDeviceMetricsOverride",
            session,
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        await self.ask("Page.navigate", session, url=page.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            await self.hear()
        # Two frames later everything that the page's script asked for is laid out.
        await self.ask(
            "Runtime.evaluate",
            session,
            awaitPromise=True,
            expression="new Promise(f => requestAnimationFrame(() => requestAnimationFrame(f)))",
        )
        layout = await self.ask("Runtime.evaluate", session, expression=_WIDEST, returnByValue=True)
        picture = await self.ask(
            "Page.captureScreenshot",
            session,
            captureBeyondViewport=True,
            format="png",
            clip={"x": 0, "y": 0, "width": width, "height": await self.height(session), "scale": 1},
        )
        seen = Seen(layout=layout["result"]["value"], picture=base64.b64decode(picture["data"]))
        touched = await self.ask("Runtime.evaluate", session, expression=_TOUCH, returnByValue=True)
        seen.touched = touched["result"].get("value")
        for event in self.events:
            _note(event, seen)
        await self.ask("Target.closeTarget", targetId=target)
        return seen

    async def height(self, session: str) -> float:
        metrics = await self.ask("Page.getLayoutMetrics", session)
        return float(min(metrics["cssContentSize"]["height"], 12_000))


def _note(event: dict[str, Any], seen: Seen) -> None:
    params = event["params"]
    match event["method"]:
        case "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            seen.complaints.append(str(details.get("exception", details)))
        case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
            seen.complaints.append(json.dumps(params["args"]))
        case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
            seen.complaints.append(params["entry"]["text"])
        case "Network.requestWillBeSent":
            url = params["request"]["url"]
            if not url.startswith(("file:", "data:", "blob:")):
                seen.requests.append(url)


@pytest.fixture(scope="module")
def pages(
    tmp_path_factory: pytest.TempPathFactory, write_run: Callable[..., Run]
) -> dict[str, Path]:
    """A page of every kind from the synthetic market, and one of a run with hostile names."""
    folder = tmp_path_factory.mktemp("pages")
    panel = am.load(Path(__file__).parents[2] / "data_specs" / "synthetic.yaml")
    formula = "ts_corr(rank(close), rank(volume), 10) * -1"
    rule = am.evaluate(formula, panel, rationale="Volume that follows the price is late.\n" * 3)
    run = am.search(panel, budget=60, seed=0, run_dir=folder / "run")
    (folder / "alone").mkdir()
    run.report(members=True)
    rows = [
        Row(name, {"valid_rank_ic": Estimate(mean, 0.002, 5)}, (run,))
        for name, mean in (("random", 0.01), ("genetic", 0.03))
    ]
    compared = write_text(
        comparison_page({"raw": rows, "residual": rows}, "markets", 60, put_beside(folder / "c")),
        folder / "comparison.html",
    )
    hostile = write_run(folder / "hostile", "</script><script>alert(1)</script>" + "x" * 200)
    return {
        "factor": rule.write_html(folder / "factor.html"),
        "backtest": backtest(formula, panel, "neutral").write_html(folder / "backtest.html"),
        "hostile": hostile.report(),
        "alone": rule.write_html(folder / "alone" / "factor.html", single_file=True),
        "comparison": compared,
        "moved": Path(shutil.move(folder / "run", folder / "elsewhere")) / "report.html",
        "member": folder / "elsewhere" / "report_members" / "01_valid.html",
        "nothing": am.evaluate("close - close", panel).write_html(folder / "nothing.html"),
    }


@pytest.fixture(scope="module")
def seen(pages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Seen]]:
    found = look([*pages.values()], WIDTHS, tmp_path_factory.mktemp("profile"))
    return {name: [found[page, width] for width in WIDTHS] for name, page in pages.items()}


KINDS = ("factor", "backtest", "hostile", "alone", "comparison", "moved", "member", "nothing")


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_works_at_every_width(seen: dict[str, list[Seen]], kind: str) -> None:
    for width, page in zip(WIDTHS, seen[kind], strict=True):
        assert page.complaints == []
        assert page.requests == []
        # A scroll bar may take some of the width.
        assert page.layout["page"] <= page.layout["screen"] <= width
        assert page.layout["beyond"] == []
        assert page.layout["drawn"] == page.layout["plots"]
        assert (page.layout["plots"] == 0) == (kind == "nothing")
        assert page.picture.startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", ["factor", "moved"])
def test_tables_sort_filter_and_scroll(seen: dict[str, list[Seen]], kind: str) -> None:
    for width, page in zip(WIDTHS, seen[kind], strict=True):
        done = page.touched
        assert done is not None
        numbers = [float(text.rstrip("%").lstrip("< ")) for text in done["falling"] if text != "–"]
        assert numbers == sorted(numbers, reverse=True)
        assert done["rising"] != done["falling"] or len({*done["rising"]}) == 1
        assert (done["sorted"], done["focus"]) == ("ascending", 0)
        assert 1 <= len(done["left"]) < len(done["falling"])
        assert done["wide"] == (done["scrolled"] > 0)
        assert done["wide"] or width == 1280


def test_a_page_without_its_library_says_so(pages: dict[str, Path], tmp_path: Path) -> None:
    lonely = Path(shutil.copy(pages["factor"], tmp_path))
    seen = look([lonely], (390,), tmp_path / "profile")[lonely, 390]
    assert seen.layout["drawn"] == 0
    assert all("ERR_FILE_NOT_FOUND" in complaint for complaint in seen.complaints)
    assert seen.layout["page"] <= 390


def test_what_a_page_must_not_do_is_noticed(tmp_path: Path) -> None:
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    bad = tmp_path / "bad.html"
    bad.write_text(
        f'<meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<div style="width: 900px" class="plot">wide</div><script>alert(1)</script>'
    )
    broken = tmp_path / "broken.html"
    broken.write_text('<img src="http://localhost:9/x.png"><script>nothing()</script>')
    found = look([bad, broken], (390,), tmp_path / "profile")
    refused, failed = found[bad, 390], found[broken, 390]
    assert "Content Security Policy" in refused.complaints[0]
    assert refused.layout["beyond"] == ["DIV.plot"]
    assert (refused.layout["plots"], refused.layout["drawn"]) == (1, 0)
    assert failed.requests == ["http://localhost:9/x.png"]
    assert any("nothing is not defined" in complaint for complaint in failed.complaints)
