"""A corpus of hostile strings, and a finished run in which every free text is one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alphamine.runs.records import Record
from alphamine.runs.run import Run, open_run
from alphamine.runs.score import TRAIN_SCORES, VALID_SCORES
from alphamine.runs.store import Store

_CODE = ("alert(1)", "fetch('//x')", "top.location='//x'")
_ELEMENTS = (
    "<script>{c}</script>",
    "</script><script>{c}</script>",
    "<img src=x onerror={c}>",
    "<svg onload={c}>",
    "<svg/onload={c}>",
    "<iframe srcdoc='<script>{c}</script>'>",
    "<body onpageshow={c}>",
    "<details open ontoggle={c}>",
    "<video><source onerror={c}></video>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror={c}>",
    "<style>@import 'javascript:{c}';</style>",
    "<object data=javascript:{c}>",
    "<a href=javascript:{c}>x</a>",
    "<form action=javascript:{c}><input type=submit>",
    "<input onfocus={c} autofocus>",
    "<marquee onstart={c}>",
    "<template><script>{c}</script>",
    "<noscript><p title='</noscript><img src=x onerror={c}>'>",
    "<base href=javascript:{c}//>",
    "<meta http-equiv=refresh content='0;url=javascript:{c}'>",
)
_ESCAPES = (
    '"><script>{c}</script>',
    "'><img src=x onerror={c}>",
    '" onmouseover="{c}',
    "' onclick='{c}",
    "</title><script>{c}</script>",
    "</style><script>{c}</script>",
    "--><script>{c}</script>",
    "]]><script>{c}</script>",
    "</textarea><script>{c}</script>",
    "<!--<script>{c}",
    "<scr\x00ipt>{c}</scr\x00ipt>",
    "\u2028{c}\u2029",
    "\\u003cscript>{c}",
    "\u202e<b>{c}",
)
_TEMPLATES = (
    "{{{{ 7 * 7 }}}}{c}",
    "{{% for x in y %}}{c}",
    "{{# {c} #}}",
    "${{{c}}}",
    "<%= {c} %>",
)
CORPUS = tuple(
    template.format(c=code) for template in (*_ELEMENTS, *_ESCAPES, *_TEMPLATES) for code in _CODE
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test runs once for every string (`hostile`), or once for every template (`escaping`)."""
    for name, texts in {"hostile": CORPUS, "escaping": CORPUS[:: len(_CODE)]}.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, texts)


@pytest.fixture(scope="session")
def write_run() -> Callable[..., Run]:
    """Writes a finished run into a directory and opens it."""
    return _write_run


def _write_run(directory: Path, text: str = "ts_mean(close, 5)", members: int = 2) -> Run:
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
            "trials": 40, "effective_trials": 12.3, "mean": 0.0, "squares": 0.1,
            "best_of_luck": 2.1, "discoveries": 1,
            "family_split": text, "overfitting": 0.25, "paths": [0.1, -0.2],
        },
        "placebo": {"best": [0.01] * 19, "p_value": 0.05},
        "finished": "2026-01-01 00:00", "stopped": text, "recovery": 0.625, "delivered": 0.375,
        "correlation": np.eye(members).tolist(),
        "combined": {
            split: {"dates": dates, "rank_ic": rng.normal(0.02, 0.1, 20).tolist(),
                    "numbers": {"rank_ic": 0.0213, "rank_icir": 0.2}}
            for split in ("train", "valid")
        },
    }  # fmt: skip
    with closing(Store.create(directory, facts)) as store:
        scores = rng.normal(0, 0.02, 40)
        blank = dict.fromkeys(TRAIN_SCORES, 0.0)
        store.record(0, [
            Record(f"{i:032x}", f"{text} {i}", abs(x), 0.01, {**blank, "rank_ic": x},
                   dict.fromkeys(VALID_SCORES, x / 2), text, (f"{i - 1:032x}",) if i % 4 else (),
                   text, {"tree": i // 4, "dimension": text, "name": text, "rationale": text,
                          "avoided": [text]})
            for i, x in enumerate(scores)
        ])  # fmt: skip
        store.write_pool([
            {"position": i + 1, "digest": f"{i:032x}", "formula": text, "weight": 0.75,
             "train_rank_ic": 0.04321, "valid_rank_ic": float("nan"), "train_rank_icir": 0.5,
             "valid_rank_icir": 0.25, "turnover": 0.1, "max_correlation": 0.3, "flat_days": 0.2,
             "verdict": text, "t": 3.2, "valid_t": 1.1, "q_value": 0.04, "family_p": 0.2}
            for i in range(members)
        ])  # fmt: skip
        store.event("test opened", {"who": text, "at": text})
    return open_run(directory)
