"""Searches as jobs: the loop, the scorer, the executors.

`search` has `alphamine.search` and `resume`, with `search_config` for their settings and `config`
for job files. `study` is the loop (ask, store, score, offer, tell) over one or several `island`s;
`scorer` is all that it knows of the panel, and `executors` spread the work. `session` sums up at
the end (`outcome`, `evidence`). May import `runs`, `searchers` and what is below them.
"""
