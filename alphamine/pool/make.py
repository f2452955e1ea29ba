"""Pools by their settings."""

from __future__ import annotations

from typing import Any, Literal

from alphamine.data.splits import Sample
from alphamine.errors import SearchError

from .alphagen import AlphaGenPool
from .pool import Pool


def make_pool(
    train: Sample,
    size: int,
    max_correlation: float,
    parity: Literal["alphagen"] | None = None,
    **settings: Any,
) -> Pool:
    """An empty pool.

    Parameters
    ----------
    train : Sample
    size : int
    max_correlation : float
    parity : {"alphagen"}, optional
        Keep to the rules of AlphaGen's pool (see `AlphaGenPool`).
    settings
        Further arguments of the pool's class, for instance `objective="lcb"`.

    Raises
    ------
    SearchError
        If a setting does not exist or breaks a law.
    """
    if parity not in (None, "alphagen"):
        raise SearchError(f"a pool has parity with alphagen or with nothing, but got {parity!r}")
    try:
        return (AlphaGenPool if parity else Pool)(train, size, max_correlation, **settings)
    except TypeError as error:
        raise SearchError(f"the pool's settings: {error}") from None
