"""What has to be said of single members of a pool, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .run import Run

# Members that are silent on a larger share of the days are named.
_FLAT_DAYS: Final = 0.01


def remarks_on(run: Run) -> list[str]:
    """What a reader has to know of single members, in sentences; nothing before the run's end."""
    if not run.state.finished:
        return []
    fitted_on = run.record.fitted_on
    found = [
        f"#{member['position']} has the same value for all names on "
        f"{member['flat_days']:.1%} of the days of {fitted_on}: no rank IC there, nothing to trade"
        for member in run.members
        if member.get("flat_days", 0.0) >= _FLAT_DAYS
    ]
    return [*_on_target(run), *found, *_on_noise(run)]


def _on_target(run: Run) -> list[str]:
    """What the rank ICs of a search on a residual label are, and the raw ones beside them."""
    taken_out = run.state.taken_out
    if taken_out is None:
        return []
    both = [
        f"{block['raw']['rank_ic']:+.4f} on {split} (residual {block['numbers']['rank_ic']:+.4f})"
        for split, block in run.record.combined.items()
    ]
    raw = f"; raw, the combined signal has a rank IC of {', '.join(both)}" if both else ""
    return [
        "the target was the residual label: every rank IC here is that of what daily weighted "
        f"regressions on {taken_out} leave of factor and label{raw}"
    ]


def _on_noise(run: Run) -> list[str]:
    """Why members stay that are noise-level by themselves."""
    known = run.record.without_noise
    if known is None or not known["members"]:
        return []
    names = ", ".join(f"#{position}" for position in known["members"])
    one = len(known["members"]) == 1
    said = (
        f"{names} {'is' if one else 'are'} noise-level by {'itself' if one else 'themselves'} "
        "and in the pool for what the pool gains by the combination on "
        f"{run.record.fitted_on}"
    )
    if known.get("numbers") is None:
        return [f"{said}; so is every member: believe the combined signal on valid only"]
    both = [
        f"{block['numbers']['rank_ic']:+.4f} on {split} with and "
        f"{known['numbers'][split]['rank_ic']:+.4f} without"
        for split, block in run.record.combined.items()
    ]
    return [f"{said}: rank IC of the combined signal {', '.join(both)}"]
