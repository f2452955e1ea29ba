"""Checkpoints: exact, whole or passed over, never another run's."""

from __future__ import annotations

import math
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load

from alphamine.errors import SearchError, WorkFailed
from alphamine.runs.checkpoint import FOLDER, Checkpoints

STATE: dict[str, Any] = {
    "numbers": [0.1 + 0.2, -math.inf, 2**70], "nested": {"none": None, "text": "ä"},
    "tensors": {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "list": [np.array(1.5), "x"]},
}  # fmt: skip


def test_states_come_back_as_they_were(tmp_path: Path) -> None:
    Checkpoints(tmp_path, "a").write(7, STATE)
    found = Checkpoints(tmp_path, "a").latest(7)
    assert found is not None
    number, state = found
    assert number == 7
    assert state["numbers"] == STATE["numbers"]
    assert state["nested"] == STATE["nested"]
    tensor = state["tensors"]["w"]
    assert tensor.dtype == np.float32
    assert np.array_equal(tensor, STATE["tensors"]["w"])
    assert state["tensors"]["list"] == [np.array(1.5), "x"]


def test_any_other_tool_can_read_the_arrays(tmp_path: Path) -> None:
    """By names that say where they belong, and laid out in memory however they were."""
    turned = np.arange(6.0).reshape(2, 3).T
    Checkpoints(tmp_path, "a").write(1, {"learner": {"head.weight": turned, "all": [np.eye(2)]}})
    [path] = (tmp_path / FOLDER).iterdir()
    with zipfile.ZipFile(path) as archive:
        found = load(archive.read("arrays.safetensors"))
    assert sorted(found) == ["learner/all/0", "learner/head.weight"]
    assert np.array_equal(found["learner/head.weight"], turned)


def test_the_newest_that_the_ledger_covers_is_taken(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "a")
    for number in (5, 90, 1000, 20):
        checkpoints.write(number, {"n": number})
    assert checkpoints.latest(10**6) == (1000, {"n": 1000})
    assert checkpoints.latest(999) == (90, {"n": 90})
    # Three are kept.
    assert checkpoints.latest(19) is None
    assert Checkpoints(tmp_path, "b").latest(10**6) is None
    assert Checkpoints(tmp_path / "none", "a").latest(5) is None


def test_damage_anywhere_leads_to_the_older_one(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "a")
    checkpoints.write(1, {"n": 1})
    checkpoints.write(2, STATE)
    newest = max((tmp_path / FOLDER).iterdir())
    whole = newest.read_bytes()
    for cut in range(0, len(whole), len(whole) // 64):
        newest.write_bytes(whole[:cut])
        assert checkpoints.latest(9) == (1, {"n": 1}), cut
    sound = repr(checkpoint_of(newest, whole, checkpoints))
    for place in range(0, len(whole), 7):
        found = checkpoint_of(
            newest, whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :], checkpoints
        )
        # A date inside the zip file means nothing; any other change is noticed.
        assert found == (1, {"n": 1}) or repr(found) == sound, place


def checkpoint_of(path: Path, content: bytes, checkpoints: Checkpoints) -> Any:
    path.write_bytes(content)
    return checkpoints.latest(9)


def test_an_unfinished_write_leaves_the_last_one_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path, "a")
    checkpoints.write(1, {"n": 1})

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WorkFailed, match="No space left on device; every evaluation is recorded"):
        checkpoints.write(2, {"n": 2})
    assert checkpoints.latest(9) == (1, {"n": 1})
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["000000000001.zip"]


def test_what_is_no_value_is_refused(tmp_path: Path) -> None:
    for bad in (object(), np.array([object()]), np.array(["text"]), {1, 2}):
        with pytest.raises(SearchError, match="a state_dict holds"):
            Checkpoints(tmp_path, "a").write(1, {"x": bad})


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("")
    with pytest.raises(WorkFailed, match=r"checkpoint .* could not be written: .* resume"):
        Checkpoints(tmp_path, "run").write(1, {})
