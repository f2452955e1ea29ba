"""Who scores a batch of formulas: this process, others on this machine, or a Ray cluster.

`base.Executor` is the protocol and `config` chooses. `worker_pool` hands out formulas and replaces
workers that die, whatever starts them (`processes`, `ray_cluster`); they share one copy of the
panel (`shared_panel`).
"""
