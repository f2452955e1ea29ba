"""Where torch is first needed: only when an RL searcher is built."""

from __future__ import annotations

from importlib.util import find_spec

from alphamine.errors import MissingDependency
from alphamine.searchers.base import SearchContext, Searcher

from .settings import RLSettings


def build(context: SearchContext) -> Searcher:
    """An RL searcher.

    Raises
    ------
    MissingDependency
        If torch, or for `ppo` sb3-contrib, is not installed.
    """
    chosen: RLSettings = context.settings or RLSettings()
    for package in ("torch", *(["sb3_contrib"] if chosen.learner == "ppo" else [])):
        if find_spec(package) is None:
            raise MissingDependency(
                f"the searcher 'rl' with learner {chosen.learner!r} needs {package}, which is not "
                "installed: pip install 'alphamine[rl]'"
            )
    from .searcher import RLSearcher

    return RLSearcher(context)
