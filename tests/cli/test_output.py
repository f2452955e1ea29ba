"""Numbers in tables."""

from __future__ import annotations

import math

import pytest

from alphamine.cli.output import interval


@pytest.mark.parametrize(
    ("mean", "half", "shown"),
    [
        (62.07, 154.3, "62 ± 154"),
        (62.07, 15.43, "62 ± 15"),
        (62.07, 1.5, "62.1 ± 1.5"),
        (0.02134, 0.00451, "0.0213 ± 0.0045"),
        (-0.0004, 0.0121, "-0.000 ± 0.012"),
        (12345.6, 1234.0, "12,346 ± 1,234"),
        (0.5, 0.0, "0.5000 ± 0.0000"),
        (62.0712, math.nan, "62.07"),
    ],
)
def test_a_mean_and_its_interval_end_at_the_same_digit(
    mean: float, half: float, shown: str
) -> None:
    assert interval(mean, half) == shown
