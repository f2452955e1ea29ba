"""Hypotheses that people put into a run's directory, for searchers that listen to them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from alphamine.errors import SearchError, WorkFailed
from alphamine.runs.run import Run
from alphamine.runs.store import Store
from alphamine.runs.times import now

SERVICE: Final = "hypotheses"
FILE_NAME: Final = "hypotheses.jsonl"
TAKEN_NAME: Final = "hypotheses.taken.jsonl"
_LONGEST: Final = 1000
_LISTENING: Final = "rd_loop"


class Inbox:
    """What people have proposed, each taken once, by whichever island asks first.

    Who takes what is written down before it is handed out, so that a resumed run takes the same in
    the same turn of the same island.

    Parameters
    ----------
    directory : Path
        Of the run; it need not exist yet.
    after : int
        The last turn whose formulas are stored: it and those before it get nothing new.
    island : int
        Whose turns these are: each island counts its own.
    """

    def __init__(self, directory: Path, after: int = -1, island: int = 0) -> None:
        self._directory = directory
        self._after = after
        self._island = island

    def take(self, turn: int) -> list[str]:
        """What a turn is given: the same again for the same turn.

        Raises
        ------
        WorkFailed
            If a file is damaged.
        """
        texts = [str(line["text"]) for line in _lines(self._directory / FILE_NAME)]
        taken = _lines(self._directory / TAKEN_NAME)
        start, last = 0, self._after
        for entry in taken:
            # Entries of earlier versions name no island: all had the same.
            if entry["island"] in (None, self._island):
                if entry["turn"] == turn:
                    return texts[start : entry["until"]]
                last = max(last, entry["turn"])
            start = entry["until"]
        if len(texts) == start or turn <= last:
            return []
        entry = {"island": self._island, "turn": turn, "until": len(texts)}
        _append(self._directory / TAKEN_NAME, entry)
        return texts[start:]


def propose(run_dir: str | os.PathLike[str], hypothesis: str) -> None:
    """Put a hypothesis at the head of a run's queue; it is tried next, or when the run goes on.

    Parameters
    ----------
    run_dir : path
        A run of `rd_loop`, or of a `portfolio` that has it as an arm.
    hypothesis : str
        Words, or words, a colon, and formulas with semicolons between them.

    Raises
    ------
    SearchError
        If there is no such run, it does not listen, or the hypothesis is empty or too long.
    """
    run = Run(Path(run_dir)).state
    if _LISTENING not in (run.searcher, *run.arms):
        raise SearchError(
            f"hypotheses are for runs of {_LISTENING}, and that in {run_dir} is of "
            f"{run.searcher}; search with --searcher {_LISTENING}"
        )
    text = " ".join(hypothesis.split())
    if not 0 < len(text) <= _LONGEST or not text.isprintable():
        raise SearchError(
            f"a hypothesis has 1 to {_LONGEST} printable characters, got {len(text)}: {text[:40]!r}"
        )
    _append(Path(run_dir) / FILE_NAME, {"text": text, "at": now()})


def last_turns(store: Store) -> dict[int, int]:
    """The last turn of research of which a formula is stored, by island; of some there is none."""
    last: dict[int, int] = {}
    for proposal in (p for found in store.proposals(0).values() for p in found):
        turn = proposal.notes.get("turn")
        if isinstance(turn, int):
            last[proposal.island] = max(turn, last.get(proposal.island, -1))
    return last


def _append(path: Path, entry: Mapping[str, Any]) -> None:
    """Add a line in one write, and see it on the disk."""
    line = (json.dumps(entry, ensure_ascii=False) + "\n").encode()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(handle, line)
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise WorkFailed(f"{path} cannot be written: {error.strerror}") from None


def _lines(path: Path) -> list[dict[str, Any]]:
    """The entries of a file; one that was cut off while it was written is not there yet."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise WorkFailed(f"{path} cannot be read: {error}") from None
    found = []
    for number, line in enumerate(text.split("\n")[:-1], 1):
        try:
            entry = json.loads(line)
            if path.name == FILE_NAME:
                found.append({"text": entry["text"]})
            else:
                turn, until = int(entry["turn"]), int(entry["until"])
                found.append({"turn": turn, "until": until, "island": entry.get("island")})
        except (ValueError, TypeError, KeyError):
            raise WorkFailed(
                f"{path}, line {number}: it is no entry of a queue of hypotheses; mend or delete it"
            ) from None
    return found
