"""`alphamine doctor --llm`: one question at most, and only if asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alphamine.cli import app
from tests.llm.server import Turn, serving

pytest.importorskip("openai")


def _job(folder: Path, url: str) -> Path:
    path = folder / "job.yaml"
    path.write_text(f"data: synthetic\nsearcher: mcts\nllm: {{model: m, url: '{url}'}}\n")
    return path


def test_the_doctor_looks_at_a_model_and_asks_once_if_told_to(tmp_path: Path) -> None:
    with serving(lambda request, number: Turn('{"ok": true}', refuses="json_schema")) as server:
        job = str(_job(tmp_path, server.url))
        quiet = json.loads(CliRunner().invoke(app, ["doctor", "--json", "--llm", job]).stdout)
        assert server.requests == []
        assert quiet["llm"]["endpoint"] == server.url
        assert quiet["llm"]["prices"].startswith("unknown")
        asked = CliRunner().invoke(app, ["doctor", "--json", "--llm", job, "--ask"])
        told = json.loads(asked.stdout)["llm"]
    # What a server refuses for its form costs nothing.
    assert len(server.requests) == 2
    assert (told["form"], told["tokens"]) == ("json_object", "120")


def test_a_server_that_is_not_there_is_an_error_with_a_reason(tmp_path: Path) -> None:
    job = _job(tmp_path, "http://127.0.0.1:9/v1")
    found = CliRunner().invoke(app, ["doctor", "--llm", str(job), "--ask"])
    assert found.exit_code != 0
