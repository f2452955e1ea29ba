"""The set of alphas that a search keeps: admission, mutual correlation, the members combined.

`pool.Pool` admits and evicts by marginal gain (`gain`, on the daily correlations of `gram`, under
an `objective`); searchers see it as a `model.PoolModel`. `alpha_pool.AlphaPool` is the finished
pool as a value. `alphagen` keeps to AlphaGen's rules, and `blend` makes one pool of several. May
import `evaluation` and what is below it, never a searcher.
"""
