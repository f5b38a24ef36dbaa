# SPDX-License-Identifier: Apache-2.0
"""The goals of each operation, relative to Watcher and to the bare driver.

A gate is three quarters of a speed-up that has been reached over Watcher, and five quarters of
the time that the driver needs. They are reported, and fail nothing.
"""

from typing import NamedTuple


class Gate(NamedTuple):
    """How many times as fast as Watcher at least; how many times the driver's time at most."""

    watcher: float | None
    driver: float | None


_KINDS = ("sqlite", "postgresql", "mysql")
_GATES: dict[str, tuple[tuple[float, float | None], ...]] = {
    "construct": ((1.2, None), (1.4, None), (1.3, None)),
    "create": ((10, 2.07), (5.7, 1.95), (3.9, 1.57)),
    "get": ((48, 2.83), (14, 2.07), (4.4, 1.45)),
    "get_eager": ((47, 2.49), (16, 1.92), (3.5, 1.40)),
    "list100": ((12, 1.66), (8.3, 1.78), (3.5, 1.25)),
    "list1000": ((9.9, 1.61), (11, 1.67), (3.8, 1.25)),
    "list1000_read": ((6.2, 1.25), (6.5, 1.26), (3.5, 1.25)),
    "list1000_eager": ((15, 2.22), (14, 2.37), (6.7, 1.26)),
    "list1000_eager_read": ((9.3, 1.65), (9.4, 1.64), (5.7, 1.25)),
    "save": ((9.0, 1.43), (4.1, 1.74), (2.4, 1.50)),
    "refresh": ((40, 3.47), (14, 2.17), (4.0, 1.73)),
    "soft_delete": ((16, 1.55), (9.0, 1.52), (4.5, 1.40)),
    "destroy": ((11, 1.41), (5.5, 1.60), (4.3, 1.44)),
    "to_primitive": ((13, None), (13, None), (13, None)),
    "from_primitive": ((4.8, None), (4.7, None), (4.8, None)),
}
#: Of Watcher's bytes per object, at most: kept, and at the peak.
MEMORY = {"list": (0.85, 0.5), "list + read": (0.85, 0.5), "list eager": (0.45, 0.5)}
#: Of the time that a call takes with few rows, at most, with many.
GROWTH = 1.3
#: Of a save's time, at most, of a merge that nobody conflicts with.
MERGE = 1.1
#: Tries of each increment of a counter in a document, at most, by so many writers or fewer.
TRIES, WRITERS = 3, 4
#: Of the claims a second of a loop that lists and tries, at least.
CLAIMS = {
    "sqlite": {"single": 2, "batches": 10},
    "postgresql": {"single": 10, "batches": 40},
    "mysql": {"single": 10, "batches": 40},
}
#: Of the jobs a second of others that claim as many at once, at least.
JOBS: dict[str, dict[str, float | None]] = {
    "ours": {"single": None, "batches": None},
    "skip_locked": {"single": 0.67, "batches": None},
    "procrastinate_jobs": {"single": 1},
    "pgqueuer_jobs": {"single": 1, "batches": 1},
}
#: Milliseconds of a claim, at most, whatever rows there are.
BACKLOG = 10
#: Milliseconds from a create to the claim, at most.
WAKEUP = {"sqlite": 100, "postgresql": 10, "mysql": 100}
#: Attempts that get nothing, at most, for each claim.
REJECTED = 0.15


def of(op: str, kind: str) -> Gate:
    """Return the gate of an operation on a kind of database."""
    return Gate(*_GATES[op][_KINDS.index(kind)]) if op in _GATES else Gate(None, None)


def verdict(value: float | None, least: float | None = None, most: float | None = None) -> str:
    """Return a gate in words, and whether a figure reaches it."""
    if value is None or (least is None and most is None):
        return ""
    reached = (least is None or value >= least) and (most is None or value <= most)
    bound = f">= {least:g}" if least is not None else f"<= {most:g}"
    return f"{bound} {'reached' if reached else 'MISSED'}"
