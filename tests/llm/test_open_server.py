"""The client and a whole search against a real open server: llama.cpp's, which is not ours.

Its model was never trained, so it says nothing of use; but the server does keep answers to the
schema that it is sent, whatever the model.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.expression.grammar.grammar import Grammar
from alphamine.llm.base import ChatRequest, Message
from alphamine.llm.client import Client
from alphamine.llm.settings import LLMSettings
from alphamine.runs.run import Run
from alphamine.searchers.proposers import prompts
from tests.environments import environment
from tests.jobs.conftest import make_panel

pytest.importorskip("openai")
pytestmark = pytest.mark.slow
PACKAGES = ["xllamacpp==2026.10.11549", "gguf==0.19.0"]
FORMULAS = ["rank(ts_delta(close, 5))", "ts_corr(close, volume, 10)", "ts_zscore(open, 20)"]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the server, for as long as the module takes."""
    python = environment("llama", PACKAGES)
    script = Path(__file__).with_name("open_server.py")
    folder = tmp_path_factory.mktemp("server")
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [python, str(script), str(folder / "model.gguf")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as server,
    ):
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        assert address, (folder / "log").read_text()[-2000:]
        yield address


def test_answers_keep_to_the_schema_whatever_the_model(url: str) -> None:
    client = Client(LLMSettings.of({"model": "m", "url": url, "retries": 0}))
    told = (
        Message("system", prompts.system(Grammar(), {}, 3)),
        Message("user", "Propose 2 formulas."),
    )
    whole = []
    for number in range(8):
        request = ChatRequest("m", told, prompts.SCHEMA, 1.0, 2048, sample=str(number))
        answer = client.ask(request)
        assert answer.usage.prompt_tokens > 1000
        if answer.whole:
            whole.append(json.loads(answer.text))
    assert len(whole) >= 4
    assert len({json.dumps(found) for found in whole}) > 1
    for found in whole:
        assert list(found) == ["diagnosis", "proposals"]
        for item in found["proposals"]:
            assert set(item) == {"name", "rationale", "formula", "param_sets"}
            assert isinstance(item["formula"], str)
    assert client.capability == "json_schema"
    assert client.usage().calls == 8


def test_a_schema_can_leave_nothing_but_formulas(url: str) -> None:
    """Even this model then cannot but propose one."""
    client = Client(LLMSettings.of({"model": "m", "url": url, "retries": 0}))
    schema = prompts.json_schema(formula={"enum": FORMULAS})
    said = set()
    for number in range(12):
        request = ChatRequest("m", (Message("user", "Go."),), schema, 1.0, 512, sample=str(number))
        said.add(json.loads(client.ask(request).text)["formula"])
    assert said <= set(FORMULAS)
    assert len(said) > 1


def _search(panel: Panel, folder: Path, proposers: str, **llm: Any) -> Run:
    options = {"proposer": f"{proposers} rules", "trees": 4}
    return am.search(
        panel,
        "mcts",
        budget=60,
        batch=8,
        options=options,
        llm={"model": "m", "max_tokens": 512, **llm},
        run_dir=folder,
    )


def test_a_search_goes_on_beside_a_model_that_says_nothing_of_use(url: str, tmp_path: Path) -> None:
    panel = make_panel()
    live = _search(panel, tmp_path / "live", "llm", url=url, max_calls=40)
    record = tmp_path / "live" / "llm.jsonl"
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    answered = [line for line in lines if "answer" in line]
    assert 8 <= len(answered) <= 40
    # What is wrong goes back to the model with the parser's words.
    mended = [
        line["request"] for line in answered if line["request"]["template"] == prompts.REPAIR_ID
    ]
    assert len(mended) >= 4
    assert all("cannot be used" in request["messages"][-1]["content"] for request in mended)
    assert live.evaluated == 60
    again = _search(
        panel, tmp_path / "again", "cassette", url="http://127.0.0.1:9/v1", mode="replay",
        cassette=str(record),
    )  # fmt: skip
    assert [r.digest for r in again.records] == [r.digest for r in live.records]
    assert [r.gain for r in again.records] == [r.gain for r in live.records]
