"""At the end of a search: its library is fitted once more, and its model is written down."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alphamine.encoding import finite
from alphamine.models.fitted import sha256
from alphamine.runs.library import MODEL_FOLDER, LibraryFacts

from .island import Island


def keep_library(islands: Sequence[Island], directory: Path) -> dict[str, Any] | None:
    """Write the model that was accepted last; of several islands the best one on valid.

    Parameters
    ----------
    islands : sequence of Island
    directory : Path
        Of the run.

    Returns
    -------
    dict or None
        What the run records of it (see `LibraryFacts`); None if no model was accepted.
    """
    found = [
        (number, library, library.accepted)
        for number, island in enumerate(islands)
        if (library := island.library) is not None and library.accepted is not None
    ]
    if not found:
        return None
    number, library, (spec, fit) = max(found, key=lambda f: f[2][1].numbers["valid"]["rank_ic"])
    model = library.bench.fitted(spec)
    files = model.files()
    folder = directory / MODEL_FOLDER
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        part = folder / f".{name}.part"
        part.write_bytes(content)
        os.replace(part, folder / name)
    facts = LibraryFacts(
        island=number,
        digest=spec.digest,
        model=model.name,
        settings=model.settings,
        formulas=[str(formula) for formula in spec.formulas],
        leanings=library.bench.leanings(model, spec.formulas),
        numbers=fit.numbers,
        files={name: sha256(content) for name, content in files.items()},
    )
    recorded: dict[str, Any] = finite(asdict(facts))
    return recorded
