"""Research in a loop: a hypothesis, formulas that would show it, and what came of them.

After RD-Agent(Q) (arXiv 2505.15155), its five units as steps: `specification`, `synthesis`,
`implementation`, `validation`, `analysis`. Formulas stand for its code, rules for its judgements.
"""
