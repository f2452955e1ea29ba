"""A tree of refinements whose nodes are judged in five dimensions.

Shi, Duan and Li, "Navigating the Alpha Jungle: An LLM-Powered MCTS Framework for Formulaic Factor
Mining" (arXiv 2505.11122). Who proposes refinements is open: see `alphamine.searchers.proposers`.
"""
