"""Which formulas there are, and how to sample, build and edit them: what searchers share.

`grammar.Grammar` is the entrance: typed, with units and limits. `productions` say what may stand on
what, `reach` and `completion` what can still be finished; `prefix` masks the tokens of a formula
that is written one by one, and `edits` changes parts of a tree.
"""
