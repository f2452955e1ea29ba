"""The proposers by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from alphamine.errors import SearchError
from alphamine.registry import Registry
from alphamine.searchers.base import SearchContext

from .base import Proposer
from .grammar import GrammarProposer
from .llm import LLMProposer, replaying
from .memory import MemoryProposer
from .rules import RuleProposer

Build = Callable[[SearchContext], Proposer]
PROPOSERS: Final[Registry[Build]] = Registry(
    "proposer",
    "alphamine.proposers",
    {
        "grammar": lambda context: GrammarProposer(),
        "rules": lambda context: RuleProposer(),
        "memory": lambda context: MemoryProposer(),
        "llm": LLMProposer,
        "cassette": replaying,
        "queue": LLMProposer,
    },
    lambda build: build,
    SearchError,
)
