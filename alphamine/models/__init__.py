"""Models that combine formulas into one signal: linear, trees, networks, dynamic weights.

A model is fitted on a `base.Design` (daily ranks of formulas and label); `registry` knows all by
name, and `fitted` keeps what one has learnt as a file. `transformer` offers formulas to
scikit-learn. May import `evaluation` and what is below it.
"""
