"""How many of the formulas that are accepted on one dataset, over months, are false.

LOND (Javanmard and Montanari, "Online rules for control of false discovery rate and false discovery
exceedance", Annals of Statistics 46, 2018, definition 2.1): the j-th test of a programme is at the
level alpha * gamma_j * (D + 1), where D is the number of discoveries before it. The false discovery
rate is then at most alpha at any time, for independent p-values and for positively dependent ones
(Zrnic, Ramdas and Jordan, JMLR 22, 2021).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

ALPHA: Final = 0.05
# So that the gammas sum to 1.
_SCALE: Final = 0.07720838


@dataclass(frozen=True, slots=True)
class Programme:
    """Where the tests on a dataset stand.

    Attributes
    ----------
    tests, discoveries : int
        So far.
    alpha : float
        False discovery rate that is kept to.
    """

    tests: int = 0
    discoveries: int = 0
    alpha: float = ALPHA

    @property
    def level(self) -> float:
        """The p-value that the next test must not exceed."""
        return self.alpha * gamma(self.tests + 1) * (self.discoveries + 1)

    def after(self, p_value: float) -> Programme:
        """Where they stand after one more test."""
        return Programme(self.tests + 1, self.discoveries + (p_value <= self.level), self.alpha)


def gamma(j: int) -> float:
    """Share of the level that the j-th test gets, from 1 on."""
    return _SCALE * math.log(max(j, 2)) / (j * math.exp(math.sqrt(math.log(j))))
