"""The language: the expression tree and its canonical form, its text, and its grammar.

`nodes` has the tree, whose equal parts are one object; `canonical` rewrites it by the operators'
laws and by `rules`, and `rank_key` further, as far as ranks stay. `text` reads and prints formulas,
and `grammar` samples and edits them. Knows operators, not data: may import `operators` only.
"""
