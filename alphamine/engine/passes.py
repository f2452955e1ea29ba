"""From a batch of formulas to a program: the passes of the kernel library's engine, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from alphamine.expression.nodes import Call, Node

from .cache import NodeValues
from .graph import CHEAP, Graph
from .program import Compiler, Store

if TYPE_CHECKING:
    from .cpu import CpuEngine


@dataclass(slots=True)
class Batch:
    """Formulas on their way to a program; each pass fills in what the later ones read.

    Attributes
    ----------
    formulas : sequence of Node
    operations : sequence of int
        What becomes of the values of each formula: operations of the library (emit, score).
    partial : bool
        Only the rows that the scored days depend on are computed: no values that can be kept.
    given : mapping of Node to NodeValues
        Values that somebody has computed already.
    graph : Graph
        The distinct sub-expressions.
    known : mapping of Node to NodeValues
        Values that no instruction has to compute.
    needed : list of int
        The calls that formulas wait for, inputs first.
    keep : set of int
        Those whose values go to the cache.
    order : list of int
        Positions of the formulas, as they are compiled.
    compiler : Compiler
        With the program, once it was written.
    """

    formulas: Sequence[Node]
    operations: Sequence[int]
    partial: bool = False
    given: Mapping[Node, NodeValues] = field(default_factory=dict)
    graph: Graph = field(init=False)
    known: dict[Node, NodeValues] = field(default_factory=dict)
    needed: list[int] = field(default_factory=list)
    keep: set[int] = field(default_factory=set)
    order: list[int] = field(default_factory=list)
    compiler: Compiler = field(init=False)


def share_subexpressions(batch: Batch, engine: CpuEngine) -> None:
    """Number each distinct sub-expression once."""
    batch.graph = Graph(batch.formulas)


def reuse_known_values(batch: Batch, engine: CpuEngine) -> None:
    """Find values that are given or cached; what is only below them is not needed."""
    known = batch.known

    def found(node: Node) -> bool:
        kept = batch.given.get(node) or engine.cache.get(node)
        if kept is not None:
            known[node] = kept
        return kept is not None

    batch.needed = batch.graph.needed(found)


def evaluate_without_kernel(batch: Batch, engine: CpuEngine) -> None:
    """Have numpy compute the calls that the library cannot, and forget what is below them."""
    without = False
    for i in batch.needed:
        node = batch.graph.nodes[i]
        if isinstance(node, Call) and engine.lowering(node) is None:
            batch.known[node] = engine.by_reference(node, batch.known)
            without = True
    if without:
        batch.needed = batch.graph.needed(batch.known.__contains__)


def choose_what_to_cache(batch: Batch, engine: CpuEngine) -> None:
    """Mark values for the cache: expensive ones, asked for before, while there is room.

    Values on some rows only are of no use to anybody else.
    """
    nbytes, room = engine.arrays.nbytes, engine.cache.limit
    for i in () if batch.partial else batch.needed:
        if nbytes > room:
            break
        if batch.graph.cost[i] >= CHEAP and engine.cache.admits(batch.graph.nodes[i]):
            batch.keep.add(i)
            room -= nbytes


def order_by_shared_parts(batch: Batch, engine: CpuEngine) -> None:
    """Put formulas with a large part in common next to each other."""
    batch.order = batch.graph.neighbours_first()


def write_shards(batch: Batch, engine: CpuEngine) -> None:
    """Emit instructions, shard by shard; a thread runs a shard, and shares parts within it."""
    graph = batch.graph
    batch.compiler = Compiler(engine.arrays, engine.lowering, graph, batch.known, batch.keep)
    size = engine.shard_size(len(batch.formulas))
    for start in range(0, len(batch.order), size):
        batch.compiler.add_shard(
            [
                (graph.roots[i], [Store(operation, i) for operation in batch.operations])
                for i in batch.order[start : start + size]
            ]
        )


Pass: TypeAlias = Callable[[Batch, "CpuEngine"], None]
PASSES: Final[tuple[Pass, ...]] = (
    share_subexpressions,
    reuse_known_values,
    evaluate_without_kernel,
    choose_what_to_cache,
    order_by_shared_parts,
    write_shards,
)
