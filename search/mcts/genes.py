"""Frequent closed root genes: what the repository's formulas have too much in common.

A root gene (section 4.5) is a complete subtree, down to the fields, whose windows and literals are
left open. Genes are numbered by hash-consing, so a formula has at most as many of them as nodes;
and since every formula with a gene's parent has the gene as well, a gene is closed if and only if
each of its parents occurs in fewer formulas. No general miner of trees is needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from alphamine.expression.nodes import Call, Field, Node

_WINDOW: Final = "t"
_LITERAL: Final = "c"


class GeneIndex:
    """Counts in how many of some formulas each gene occurs; formulas may be taken out again."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._texts: list[str] = []
        self._sizes: list[int] = []
        self._parents: list[set[int]] = []
        self._support: list[int] = []
        # Genes by the number of formulas that have them, so that the frequent ones are at hand.
        self._level: dict[int, set[int]] = {}
        self._of: dict[str, frozenset[int]] = {}
        self._root: dict[Node, int] = {}
        self._formulas = 0

    def __len__(self) -> int:
        """Formulas counted."""
        return self._formulas

    def gene(self, node: Node) -> int:
        """Number of the gene that a formula is, as a whole."""
        known = self._root.get(node)
        if known is None:
            known = self._root[node] = self._number(node)
        return known

    def genes(self, formula: Node) -> frozenset[int]:
        """Numbers of the genes within a formula; bare fields and literals are none."""
        known = self._of.get(formula.digest)
        if known is None:
            found = (self.gene(part) for part in formula.walk() if isinstance(part, Call))
            known = self._of[formula.digest] = frozenset(found)
        return known

    def add(self, formula: Node) -> None:
        """Count a formula."""
        self._formulas += 1
        for gene in self.genes(formula):
            self._move(gene, 1)

    def remove(self, formula: Node) -> None:
        """Count a formula no longer that was added."""
        self._formulas -= 1
        for gene in self.genes(formula):
            self._move(gene, -1)

    def support(self, formula: Node) -> int:
        """In how many formulas the gene that a formula is occurs."""
        return self._support[self.gene(formula)]

    def frequent(self, count: int, min_share: float) -> tuple[int, ...]:
        """The most frequent closed genes.

        Parameters
        ----------
        count : int
            At most so many.
        min_share : float
            Of the formulas, that a gene must occur in.

        Returns
        -------
        tuple of int
            By falling support, then size, then text.
        """
        least = max(min_share * self._formulas, 2.0)
        found: list[int] = []
        for level in sorted(self._level, reverse=True):
            if level < least or len(found) >= count:
                break
            closed = [gene for gene in self._level[level] if self._closed(gene)]
            found += sorted(closed, key=lambda g: (-self._sizes[g], self._texts[g]))
        return tuple(found[:count])

    def text(self, gene: int) -> str:
        """A gene as one writes it, with `t` for windows and `c` for literals."""
        return self._texts[gene]

    def _closed(self, gene: int) -> bool:
        support = self._support[gene]
        return all(self._support[parent] < support for parent in self._parents[gene])

    def _move(self, gene: int, step: int) -> None:
        before = self._support[gene]
        if before:
            self._level[before].discard(gene)
            if not self._level[before]:
                del self._level[before]
        self._support[gene] = before + step
        if before + step:
            self._level.setdefault(before + step, set()).add(gene)

    def _number(self, node: Node) -> int:
        if not isinstance(node, Call):
            name = node.name if isinstance(node, Field) else _LITERAL
            return self._intern(("leaf", name), name, 1, ())
        op = node.operator
        below = [self.gene(child) for child in node.inputs]
        if op.commutative:
            # By text: numbers depend on what was seen first, which a resumed search does not know.
            below.sort(key=self._texts.__getitem__)
        # Windows and numbers are left open, what is chosen by a word is not.
        open_ = [_WINDOW if p.kind == "window" else _LITERAL for p in op.params]
        literals = [
            v if p.kind in ("choice", "text", "flag") else o
            for p, v, o in zip(op.params, node.params, open_, strict=True)
        ]
        shown = ", ".join([*(self._texts[child] for child in below), *map(str, literals)])
        key = (op.name, tuple(below), tuple(literals))
        size = 1 + sum(self._sizes[child] for child in below)
        return self._intern(key, f"{op.name}({shown})", size, below)

    def _intern(self, key: object, text: str, size: int, below: Iterable[int]) -> int:
        known = self._numbers.get(key)
        if known is None:
            known = self._numbers[key] = len(self._texts)
            self._texts.append(text)
            self._sizes.append(size)
            self._parents.append(set())
            self._support.append(0)
            for child in below:
                self._parents[child].add(known)
        return known


class Avoid:
    """Genes that a proposal should not add; what its parent had already, it may keep.

    Otherwise nothing made of a popular formula could ever be refined.

    Parameters
    ----------
    index : GeneIndex
    genes : tuple of int
    """

    def __init__(self, index: GeneIndex, genes: tuple[int, ...] = ()) -> None:
        self._index = index
        self._genes = frozenset(genes)
        self.texts = tuple(index.text(gene) for gene in genes)

    def added(self, formula: Node, parent: Node | None = None) -> tuple[str, ...]:
        """Those of the genes that a formula has and its parent has not."""
        if not self._genes:
            return ()
        found = self._genes & self._index.genes(formula)
        if found and parent is not None:
            found -= self._index.genes(parent)
        return tuple(sorted(self._index.text(gene) for gene in found))
