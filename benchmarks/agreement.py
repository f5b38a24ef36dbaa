# SPDX-License-Identifier: Apache-2.0
"""That all implementations give the same answers: what is timed must be the same work."""

from collections.abc import Iterator
from typing import Any

from benchmarks.processes import Process

#: The maximum number of differences to print; there can be thousands.
SHOWN = 10


class Disagreement(Exception):
    """The implementations gave different answers, which the message lists."""


def differences(one: Any, other: Any, where: str) -> Iterator[str]:
    """Return where two answers differ."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name in one:
            yield from differences(one[name], other[name], f"{where}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            yield from differences(mine, theirs, f"{where}[{number}]")
    elif one != other:
        yield f"{where}: {one!r} and {other!r}"


def check(workers: dict[str, Process]) -> int:
    """Ask all implementations, and return how many questions they agree on.

    :raises Disagreement: they do not agree
    """
    answers = {name: worker.ask("answers") for name, worker in workers.items()}
    found = []
    for op in {op: None for answer in answers.values() for op in answer}:
        first, *others = [name for name in answers if op in answers[name]]
        for other in others:
            where = f"{first} and {other}, {op}"
            found += differences(answers[first][op], answers[other][op], where)
    if found:
        raise Disagreement("\n".join([*found[:SHOWN], f"{len(found)} differences"]))
    return max((len(answer) for answer in answers.values()), default=0)
