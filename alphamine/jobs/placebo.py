"""The same search on labels that cannot be forecast, to see how good luck alone looks.

The only test that is valid for any adaptive searcher, because it replays it whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.data.splits import Sample

from .scorer import Scorer

_SHORTEST_BLOCK: Final = 20


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
    scorer: Scorer, runs: int, seed: int, best: float, replay: Callable[[Scorer], float]
) -> dict[str, Any]:
    """Replay a search on shuffled labels.

    Parameters
    ----------
    scorer : Scorer
        That of the real search.
    runs : int
        Searches to replay, B.
    seed : int
        Of the shuffles.
    best : float
        Best fitness of the real search.
    replay : callable
        Runs the same search with another scorer; returns its best fitness.

    Returns
    -------
    dict
        `best`: of each placebo run; `p_value`: (1 + runs at least as good) / (1 + B).
    """
    panel = scorer.panel
    train = panel.sample()
    found = [
        replay(
            Scorer(
                panel,
                shuffled(train, np.random.default_rng([seed, i])),
                backend=scorer.backend,
            )
        )
        for i in range(runs)
    ]
    return {"best": found, "p_value": (1 + sum(x >= best for x in found)) / (1 + runs)}
