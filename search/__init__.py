"""Searchers: interchangeable ways to propose formulas (see `base.Searcher`).

One file or folder for each method, and a line in `registry`; `random` is the shortest. What several
share: `variation` (edits of genetic programming), `memory` (no proposal twice), `schedulers`
(bandits), `proposers`. May import `llm`, `pool` and the language, never data, engines or jobs: a
searcher sees formulas, scores and a model of the pool.
"""

if __name__ != "alphamine.searchers":
    raise ImportError(f"import alphamine.searchers, not {__name__}")
