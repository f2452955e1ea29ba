"""The searcher of a run, from what a user hands in: a name, a class, a function, an object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from alphamine.errors import SearchError
from alphamine.searchers.base import SearchContext, Searcher
from alphamine.searchers.registry import SEARCHERS, Build, Entry, make_searcher, settings_of

# Named for completion in editors; any registered name will do.
Known = Literal["genetic", "random", "local", "rl", "mcts", "rd_loop", "portfolio", "tune"]
SearcherLike = Known | str | Searcher | Build
_METHODS = ("ask", "tell", "state_dict", "load_state_dict")


@dataclass(frozen=True, slots=True)
class SearcherFactory:
    """Builds the searcher of a run, one for each island.

    Attributes
    ----------
    name : str
        For the record.
    build : callable
        Of a context and options, a new searcher.
    single : bool
        Whether it can build one only: it was handed an object.
    """

    name: str
    build: Callable[[SearchContext, Mapping[str, Any]], Searcher]
    single: bool = False

    @classmethod
    def of(cls, searcher: SearcherLike) -> SearcherFactory:
        """The factory of what a user hands in.

        Parameters
        ----------
        searcher : str, class, callable or Searcher
            A registered name; a class, or a function, of a `SearchContext`; or an object with the
            methods of `Searcher`, which serves one search.

        Raises
        ------
        SearchError
            If it is none of these.
        """
        if isinstance(searcher, str):
            SEARCHERS.find(searcher)
            return cls(searcher, lambda context, options: make_searcher(searcher, context, options))
        if not isinstance(searcher, type) and all(hasattr(searcher, m) for m in _METHODS):
            return cls(_title(type(searcher)), _once(searcher), single=True)
        if callable(searcher):
            name, entry = _title(searcher), Entry.of(searcher)
            return cls(
                name,
                lambda context, options: entry.built(context, settings_of(name, entry, options)),
            )
        raise SearchError(
            "a searcher is a registered name, a class of a SearchContext, or an object with the "
            f"methods {', '.join(_METHODS)}, but got {searcher!r}"
        )

    @classmethod
    def of_run(cls, name: str, searcher: SearcherLike | None) -> SearcherFactory:
        """The factory of a recorded run: by the recorded name, or of what is handed in again.

        Raises
        ------
        SearchError
            If it is not the one that the run was begun with.
        """
        if searcher is None and name not in SEARCHERS:
            raise SearchError(
                f"the run was begun with the searcher {name}, which is no registered name; hand "
                "it in again: resume(run_dir, searcher=...)"
            )
        found = cls.of(name if searcher is None else searcher)
        if found.name != name:
            raise SearchError(
                f"a run goes on with the searcher that began it, {name}, but got {found.name}"
            )
        return found


def _title(kind: Any) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _once(searcher: Any) -> Callable[[SearchContext, Mapping[str, Any]], Searcher]:
    left: list[Searcher] = [searcher]

    def build(context: SearchContext, options: Mapping[str, Any]) -> Searcher:
        if options:
            raise SearchError(
                f"options are settings of a searcher that is built, but {_title(type(searcher))} "
                f"was made already: {', '.join(options)}; hand in its class"
            )
        if not left:
            raise SearchError(
                "every island has a searcher of its own, and a placebo repeats the search with new "
                "ones; hand in the class, not an object"
            )
        return left.pop()

    return build
