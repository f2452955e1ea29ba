"""AlphaGen's idea, rebuilt: a policy over tokens that is rewarded for what a pool gains.

`searcher` writes `episodes` and keeps them in a `replay`; what learns from them is a `learner`:
`reinforce`, `flow` or `ppo`. `prior` is where an untrained policy starts. torch is imported when a
searcher is built (`build`), not before.
"""
