"""The same search on labels that cannot be forecast, to see how good luck alone looks.

The only test that is valid for any adaptive searcher, because it replays it whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.data.splits import Sample

from .scorer import Scorer

_SHORTEST_BLOCK: Final = 20


@dataclass(frozen=True, slots=True)
class Searched:
    """Of a search: its best fitness, distinct formulas that it evaluated, and why it stopped."""

    best: float
    evaluated: int
    stopped: str


def shuffled(sample: Sample, rng: np.random.Generator) -> Sample:
    """The sample with its label's days rearranged in blocks of max(20, horizon) rows.

    A block keeps its days' order and its names: volatility, overlap and the correlation between
    names stay as they are, and only what ties a day's factors to its returns is lost.
    """
    days = len(sample.label)
    length = max(_SHORTEST_BLOCK, sample.panel.label_spec.horizon)
    # The cuts start anywhere, so that the same days are not always neighbours.
    rows = np.roll(np.arange(days), int(rng.integers(days)))
    blocks = np.array_split(rows, max(2, days // length))
    order: npt.NDArray[np.intp] = np.concatenate([blocks[i] for i in rng.permutation(len(blocks))])
    # What is left of the returns is as noisy on another day; their styles would be noise there.
    label = sample.label if sample.projection is None else sample.projection.residual
    return sample.relabelled(label[order])


def placebo(
    scorer: Scorer, runs: int, seed: int, real: Searched, replay: Callable[[Scorer], Searched]
) -> dict[str, Any]:
    """Replay a search on shuffled labels.

    Luck finds more the longer it searches, so searches are compared that evaluated as many
    formulas. After one that stopped before, as where the budget of a language model is spent, there
    is nothing to compare, and no other is run.

    Parameters
    ----------
    scorer : Scorer
        That of the real search.
    runs : int
        Searches to replay, B.
    seed : int
        Of the shuffles.
    real : Searched
        Of the real search.
    replay : callable
        Runs the same search with another scorer.

    Returns
    -------
    dict
        `best`: fitness of each placebo run that evaluated as many formulas; `p_value`: (1 + runs at
        least as good) / (1 + B), None if a run stopped before; `why`: which, and for what reason.
    """
    panel = scorer.panel
    train = panel.sample()
    found = list[float]()
    for i in range(runs):
        label = shuffled(train, np.random.default_rng([seed, i]))
        searched = replay(Scorer(panel, label, backend=scorer.backend))
        if searched.evaluated < real.evaluated:
            why = (
                f"search {i + 1} of {runs} on shuffled labels evaluated {searched.evaluated} "
                f"formulas, not {real.evaluated}: {searched.stopped}"
            )
            return {"best": found, "p_value": None, "why": why}
        found.append(searched.best)
    p_value = (1 + sum(x >= real.best for x in found)) / (1 + runs)
    return {"best": found, "p_value": p_value, "why": None}
