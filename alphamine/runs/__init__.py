"""What a search leaves: the run directory, its ledger, and the one look at its test split.

`run.Run` is what users open. `store` is the SQLite ledger, read as a `run_state.RunState` at any
moment and a `run_record.RunRecord` at the end; `migration` reads runs of earlier versions.
`checkpoint` and `lock` make runs resumable, `reveal` opens the test split, on record. May import
`searchers`, `pool`, `models` and what is below them; it never starts a search.
"""
