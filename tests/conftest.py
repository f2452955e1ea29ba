"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("ALPHAMINE_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the three real panels; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("ALPHAMINE_DATA", SHARED / "data"))
    if not (folder / "cn_csi800" / "prices.parquet").exists():
        pytest.skip(f"needs the real panels, which are not in {folder}")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder of the anchors' own outputs."""
    folder = SHARED / "reference" / "golden"
    if not folder.exists():
        pytest.skip(f"needs the golden outputs, which are not in {folder}")
    return folder
