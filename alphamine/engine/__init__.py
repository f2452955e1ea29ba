"""Evaluation at speed: values, daily scores and pool vectors of batches of formulas.

`evaluator.Evaluator` is the entrance. `base` defines what an engine is and names the backends:
`numpy_engine` follows the operators' references, `cpu` compiles a batch (`passes`, `program`) for
the C++ kernels, which `native` alone calls. `streaming` evaluates day by day. May import `data`
and what is below it.
"""
