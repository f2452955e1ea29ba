"""Every environment variable that the code reads is in the one table of them, and no other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "environment.md").read_text("utf-8")
FOLDERS = ("alphamine", "operators", "search", "data_specs")


def read_by(text: str) -> set[str]:
    """Names of variables in a source, wherever in it they are handed to what reads them."""
    # In a specification, and in a workflow that qlib reads.
    found = set(re.findall(r"(?:\$\{|\{\{ )([A-Z]\w*)", text))
    if re.search(r"\benviron\b|\bgetenv\b", text):
        found |= set(re.findall(r"[\"']([A-Z][A-Z0-9_]{3,})[\"']", text))
    return found


def test_every_variable_is_in_the_table() -> None:
    sources = [
        path
        for folder in FOLDERS
        for kind in ("py", "cpp", "hpp", "yaml")
        for path in (ROOT / folder).rglob(f"*.{kind}")
    ]
    known = {name for path in sources for name in read_by(path.read_text("utf-8"))}
    # Examples of how a path may be written.
    known -= {"NAME"}
    table = {
        name
        for line in PAGE.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    # Set for worker processes, and said so below the table.
    handed_on = set(re.findall(r"`(\w+)`", PAGE.split("Worker processes")[1]))
    assert {"ALPHAMINE_CACHE", "ALPHAMINE_LEDGER", "ALPHAMINE_POISON", "ALPHAMINE_DATA"} <= known
    assert table | handed_on == known


def test_a_variable_is_found_however_it_is_read() -> None:
    assert read_by('folder = os.environ.get("SOME_FOLDER")') == {"SOME_FOLDER"}
    assert read_by('_NAME = "SOME_KEY"\nos.environ[_NAME]') == {"SOME_KEY"}
    assert read_by('std::getenv("SOME_SWITCH")') == {"SOME_SWITCH"}
    assert read_by("path: ${SOME_PATH:-here}/x.csv") == {"SOME_PATH"}
    assert read_by("market: {{ SOME_MARKET | default('all') }}") == {"SOME_MARKET"}
    assert read_by('RULE = "SOME_RULE"') == set()
