"""Users without a home, folders that are gone: one sentence each, or no need of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import alphamine as am
from alphamine.data.paths import cache_folder, resolve
from alphamine.errors import DataError

SPEC = "name: s\nsource: {kind: synthetic, days: 80, symbols: 8, sectors: 2, planted: []}\n"


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a container runs with the number of a user that its system does not know."""
    pwd = pytest.importorskip("pwd")

    def unknown(number: object) -> None:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME", "ALPHAMINE_CACHE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("homeless")
def test_a_user_without_a_home_opens_panels_without_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s.yaml").write_text(SPEC)
    assert cache_folder() is None
    assert am.load(tmp_path / "s.yaml").shape[0] == 80
    monkeypatch.setenv("ALPHAMINE_CACHE", str(tmp_path / "kept"))
    am.load(tmp_path / "s.yaml")
    assert list((tmp_path / "kept" / "opened").iterdir())


@pytest.mark.usefixtures("homeless")
def test_a_home_that_nobody_knows_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nobody knows that of '~/prices\.csv'; write it out"):
        resolve("~/prices.csv", tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows deletes no current directory")
def test_a_current_directory_that_is_gone_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s.yaml").write_text(SPEC)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    os.rmdir(tmp_path / "gone")
    with pytest.raises(DataError, match="which was deleted; change to one that is there"):
        am.load(tmp_path / "s.yaml")
