# SPDX-License-Identifier: Apache-2.0
"""What worker processes say of their calls: one file each, in lines of JSON.

Each call that writes leaves its token in the row (``status_message``), so that a write can be
traced to the one call that made it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OK, FAIL, UNKNOWN = "ok", "fail", "unknown"
READS = ("list", "refresh")
_INVOKE, _AGAIN, _EVENT, _SAW = "invoke", "again", "event", "saw"


@dataclass
class Call:
    """A call that a worker began: what it was to do, and how it ended as far as is known.

    ``to`` is the state that it asked for, None where it was to change none.
    """

    token: str
    op: str
    audit: str
    to: str | None
    result: str = UNKNOWN
    error: str = ""


@dataclass(frozen=True)
class Told:
    """An event that a worker's subscriber heard."""

    kind: str
    audit: str
    token: str | None
    old: str | None


@dataclass(frozen=True)
class Sight:
    """An audit as a worker read it."""

    audit: str
    token: str | None
    state: str


@dataclass
class History:
    """All that the workers of a run have told; sights in order, by worker."""

    calls: dict[str, Call] = field(default_factory=dict)
    retries: int = 0
    events: list[Told] = field(default_factory=list)
    sights: dict[str, list[Sight]] = field(default_factory=dict)


class Ledger:
    """The file in which a worker writes down its calls, before and after."""

    def __init__(self, folder: Path, name: str) -> None:
        self._name = name
        self._calls = 0
        # Unbuffered: what was handed to the system is kept when the process is killed.
        self._file = (folder / f"{name}.ledger").open("wb", buffering=0)

    def invoke(self, op: str, audit: str, to: str | None = None) -> str:
        """Note a call that is about to be made, and return its token."""
        self._calls += 1
        token = f"{self._name}.{self._calls}"
        self._write(_INVOKE, token=token, op=op, audit=audit, to=to)
        return token

    def outcome(self, token: str, result: str, error: BaseException | None = None) -> None:
        """Note how a call has ended: ``ok``, ``fail`` or ``unknown``."""
        said = f"{type(error).__name__}: {error}" if error else ""
        self._write(result, token=token, error=said)

    def again(self) -> None:
        """Note that a call is tried again."""
        self._write(_AGAIN)

    def event(self, told: Told) -> None:
        """Note an event."""
        self._write(_EVENT, **vars(told))

    def saw(self, sight: Sight) -> None:
        """Note what was read."""
        self._write(_SAW, **vars(sight))

    def _write(self, what: str, **told: Any) -> None:
        self._file.write(json.dumps({"what": what, **told}).encode() + b"\n")


def read(folder: Path) -> History:
    """Return what all ledgers of a folder tell."""
    history = History()
    for path in sorted(folder.glob("*.ledger")):
        for told in _lines(path):
            _take(history, path.stem, told)
    return history


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    # Whoever is killed while it writes leaves a part of a line.
    whole = path.read_bytes().rpartition(b"\n")[0]
    return map(json.loads, whole.splitlines())


def _take(history: History, worker: str, told: dict[str, Any]) -> None:
    what = told.pop("what")
    if what == _INVOKE:
        history.calls[told["token"]] = Call(**told)
    elif what == _AGAIN:
        history.retries += 1
    elif what == _EVENT:
        history.events.append(Told(**told))
    elif what == _SAW:
        history.sights.setdefault(worker, []).append(Sight(**told))
    else:
        call = history.calls[told["token"]]
        call.result, call.error = what, told["error"]
