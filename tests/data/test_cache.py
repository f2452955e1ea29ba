"""A cached panel is the panel, bit for bit, or it is built again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alphamine as am
from alphamine.data.dataset import cache as cache_module
from alphamine.data.dataset import load as load_module
from alphamine.data.panel import Panel

Write = Callable[..., Path]
RICH: dict[str, Any] = {
    "universe": "tradable", "splits": {"valid": "2020-02-03", "test": "2020-03-02"},
    "units": {"volume": "volume"}, "costs": {"buy": 0.001},
    "limits": {"rules": [{"change": 0.1}]},
}  # fmt: skip


def same(a: Panel, b: Panel) -> None:
    """Equal in everything, bit for bit."""
    for name in ("dates", "symbols", "universe", "factor"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for name in ("columns", "groups", "masks"):
        left, right = getattr(a, name), getattr(b, name)
        assert list(left) == list(right)
        for key in left:
            assert left[key].dtype == right[key].dtype
            assert left[key].tobytes() == right[key].tobytes()
    for name in (
        "group_names",
        "units",
        "label_spec",
        "splits",
        "costs",
        "min_names",
        "name",
        "notes",
        "fingerprint",
    ):
        assert getattr(a, name) == getattr(b, name), name
    assert a.sample().label.tobytes() == b.sample().label.tobytes()


def must_not_build(*_: object) -> None:
    raise AssertionError("the cache was not used")


def test_a_hit_equals_a_cold_load(write_spec: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = write_spec(**RICH)
    first = am.load(spec)
    monkeypatch.setattr(load_module, "_build", must_not_build)
    second = am.load(spec)
    monkeypatch.undo()
    monkeypatch.setenv("ALPHAMINE_CACHE", "off")
    cold = am.load(spec)
    same(first, second)
    same(cold, second)
    assert isinstance(second.field("close").base, np.memmap)
    assert not second.field("close").flags.writeable


def test_a_hit_imports_nothing_heavy(write_spec: Write) -> None:
    spec = write_spec(**RICH)
    am.load(spec)
    code = (
        "import sys, alphamine as am; am.load(sys.argv[1]).sample();"
        "print([m for m in ('pandas', 'pyarrow', 'pydantic', 'yaml') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(spec)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_overrides_have_entries_of_their_own(write_spec: Write, cache: Path) -> None:
    spec = write_spec(**RICH)
    for _ in range(2):
        assert am.load(spec).label_spec.horizon == 5
        assert am.load(spec, horizon=3).label_spec.horizon == 3
        assert am.load(spec, universe="all").universe.sum() > 0
        assert am.load(spec, splits=False).splits is None
        assert am.load(spec, end="2020-02-28", splits=False).shape[0] < 60
    # Labels and splits share the arrays; another universe or calendar does not.
    assert len(list((cache / "panels").iterdir())) == 3


def test_changed_sources_and_specs_are_noticed(write_spec: Write, market: pd.DataFrame) -> None:
    before = am.load(write_spec())
    after = am.load(write_spec(market.assign(close=market["close"] + 1)))
    assert after.field("close")[0, 0] == pytest.approx(before.field("close")[0, 0] + 1)
    assert am.load(write_spec(min_names=3)).min_names == 3


def in_place(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def replaced(path: Path, content: bytes) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(content)
    other.replace(path)


@pytest.mark.parametrize("rewrite", [in_place, replaced])
@pytest.mark.parametrize("kind", ["small file", "large file", "folder", "cached array"])
def test_a_file_of_the_same_size_and_time_is_another_file(
    kind: str,
    rewrite: Callable[[Path, bytes], None],
    write_spec: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if kind == "large file":
        monkeypatch.setattr(cache_module, "_READ_WHOLE", 0)
    spec = write_spec(splits={"valid": "2020-02-03"})
    prices = tmp_path / "prices.csv"
    if kind == "folder":
        (tmp_path / "parts").mkdir()
        prices = prices.rename(tmp_path / "parts" / "a.csv")
        spec.write_text(spec.read_text().replace("prices.csv", "parts"))
    good = am.load(spec).field("close").copy()
    if kind == "cached array":
        target = next(tmp_path.glob("cache/panels/*/003.npy"))
        content = target.read_bytes()[:-8] + bytes(8)
    else:
        target, text = prices, prices.read_bytes()
        first = text.splitlines()[1]
        cells = first.split(b",")
        cells[5] = b"9" + cells[5][1:]  # close
        content = text.replace(first, b",".join(cells), 1)
    before = target.stat()
    rewrite(target, content)
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = target.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    changed = np.argwhere(
        np.nan_to_num(am.load(spec).field("close")) != np.nan_to_num(good)
    ).tolist()
    assert changed == ([] if kind == "cached array" else [[0, 0]])


def test_a_small_file_that_was_only_touched_is_the_same(
    write_spec: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = write_spec()
    am.load(spec)
    replaced(tmp_path / "prices.csv", (tmp_path / "prices.csv").read_bytes())
    monkeypatch.setattr(load_module, "_build", must_not_build)
    am.load(spec)


def test_stale_panels_are_dropped(write_spec: Write, market: pd.DataFrame, cache: Path) -> None:
    for shift in range(3):
        am.load(write_spec(market.assign(close=market["close"] + shift)))
    assert len(list((cache / "panels").iterdir())) == 1


def damage_cut(folder: Path) -> None:
    path = next(folder.glob("panels/*/003.npy"))
    path.write_bytes(path.read_bytes()[:-8])


def damage_flip(folder: Path) -> None:
    path = next(folder.glob("panels/*/003.npy"))
    content = bytearray(path.read_bytes())
    content[-5] ^= 0xFF
    path.write_bytes(bytes(content))


def damage_gone(folder: Path) -> None:
    next(folder.glob("panels/*/004.npy")).unlink()


def damage_manifest(folder: Path) -> None:
    path = next(folder.glob("panels/*/manifest.json"))
    content = json.loads(path.read_text())
    content["body"]["fingerprint"] = "0" * 32
    path.write_text(json.dumps(content))


def damage_pointer(folder: Path) -> None:
    next(folder.glob("opened/*.json")).write_text('{"body": {}')


@pytest.mark.parametrize(
    "damage", [damage_cut, damage_flip, damage_gone, damage_manifest, damage_pointer]
)
def test_a_damaged_cache_is_rebuilt(
    damage: Callable[[Path], None], write_spec: Write, cache: Path
) -> None:
    spec = write_spec(**RICH)
    good = {name: x.copy() for name, x in am.load(spec).columns.items()}
    damage(cache)
    for _ in range(2):
        again = am.load(spec)
        for name, values in good.items():
            assert again.field(name).tobytes() == values.tobytes()
    assert not list(cache.rglob(".tmp-*"))


def test_a_cache_that_cannot_be_written_is_done_without(
    write_spec: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ALPHAMINE_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="cannot be written.*let ALPHAMINE_CACHE name a folder"):
        panel = am.load(write_spec())
    assert panel.shape == (60, 5)


def test_two_processes_may_race(write_spec: Write, cache: Path) -> None:
    spec = write_spec(**RICH)
    code = (
        "import sys, alphamine as am\n"
        "sys.stdin.readline()\n"
        "for _ in range(5): print(am.load(sys.argv[1]).fingerprint)"
    )
    command = [sys.executable, "-c", code, str(spec)]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.communicate(timeout=60)[0].split() for racer in racers]
    assert said == [[am.load(spec).fingerprint] * 5] * 3
    assert len(list((cache / "panels").iterdir())) == 1
    assert not list(cache.rglob(".tmp-*"))
