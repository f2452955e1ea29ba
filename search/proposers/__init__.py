"""Who proposes formulas: grammars, rules, what was learnt of edits, language models, people.

One interface (`base.Proposer`) serves every searcher that refines formulas step by step.
"""
