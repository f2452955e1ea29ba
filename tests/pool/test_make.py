"""A pool by its settings: the right class, and clear refusals."""

from __future__ import annotations

from typing import Any

import pytest

from alphamine.data.splits import Sample
from alphamine.errors import SearchError
from alphamine.pool.alphagen import AlphaGenPool
from alphamine.pool.make import make_pool


def test_parity_gives_alphagens_pool(train: Sample) -> None:
    assert isinstance(make_pool(train, 5, 0.99, "alphagen"), AlphaGenPool)
    pool = make_pool(train, 5, 0.6, objective="lcb", beta=2.0)
    assert not isinstance(pool, AlphaGenPool)
    assert (pool.capacity, pool.max_correlation) == (5, 0.6)
    assert (pool.objective.measure, pool.objective.beta) == ("lcb", 2.0)


@pytest.mark.parametrize(
    "settings", [{"parity": "gplearn"}, {"colour": 1}, {"parity": "alphagen", "ridge": 1.0}]
)
def test_settings_that_do_not_exist_are_refused(train: Sample, settings: dict[str, Any]) -> None:
    with pytest.raises(SearchError):
        make_pool(train, 5, 0.7, **settings)
