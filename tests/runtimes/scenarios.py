# SPDX-License-Identifier: Apache-2.0
"""What each runtime has to do, and what comes of it."""

import time
import traceback
import uuid
from collections.abc import Callable
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from oslo_context.context import RequestContext

from tests.runtimes.crowds import HardLimit, SoftLimit, Threads
from watcher_objects import Audit, db, exception
from watcher_objects.testing import Factory, database

CONTEXT = RequestContext()


class Undo(Exception):
    """Raised to roll a transaction back."""


def run(crowd: Threads, url: str, folder: str) -> dict[str, Any]:
    """Run every scenario on a database, and return the outcomes by name."""
    db.configure(url)
    factory = Factory()
    audits = [factory.audit() for _ in range(crowd.size)]
    crowd.begin(url)
    # The first connections are made by many at the same time, too.
    db.configure(url)
    place = {"url": url, "flag": f"{folder}/{sa.make_url(url).get_backend_name()}"}
    place |= {"ids": [audit.id for audit in audits], "goal": audits[0].goal_id}
    done = {scenario.__name__: _outcome(scenario, crowd, place) for scenario in SCENARIOS}
    db.dispose()
    return done


def _outcome(scenario: Callable[..., Any], *given: Any) -> Any:
    try:
        return scenario(*given)
    except Exception:
        return traceback.format_exc()


def basics(crowd: Threads, place: dict[str, Any]) -> Any:
    """Each creates, reads, changes and lists audits of its own."""
    return crowd.map(_basics, [place["goal"]] * crowd.size)


def _basics(crowd: Threads, goal: int) -> bool:
    made = Audit(CONTEXT, name=str(uuid.uuid4()), audit_type="ONESHOT", goal_id=goal)
    made.create()
    made.hostname = "h"
    made.save()
    read = Audit.get_by_uuid(CONTEXT, made.uuid)
    (listed,) = Audit.list(CONTEXT, filters={"name": made.name})
    return (read.name, read.hostname, listed.id) == (made.name, "h", made.id)


def claims(crowd: Threads, place: dict[str, Any]) -> list[bool]:
    """All claim one audit."""
    return sorted(crowd.map(_claim, [place["ids"][0]] * crowd.size))


def _claim(crowd: Threads, ident: int) -> bool:
    audit = Audit.get(CONTEXT, ident)
    crowd.sleep(0.02)
    audit.state = "ONGOING"
    try:
        audit.save()
    except exception.InvalidStateTransition:
        return False
    return audit.old_state == "PENDING"


def transactions(crowd: Threads, place: dict[str, Any]) -> list[str | None]:
    """Each writes in a transaction of its own; every second one is rolled back."""
    crowd.map(_transaction, [*enumerate(place["ids"])])
    return [Audit.get(CONTEXT, ident).status_message for ident in place["ids"]]


def _transaction(crowd: Threads, given: tuple[int, int]) -> None:
    number, ident = given
    with suppress(Undo), db.transaction():
        audit = Audit.get(CONTEXT, ident)
        audit.status_message = "first"
        audit.save()
        crowd.sleep(0.01)
        audit.status_message = "kept"
        audit.save()
        if number % 2:
            raise Undo


def connections(crowd: Threads, place: dict[str, Any]) -> int:
    """Count the connections that one makes for many calls."""
    return crowd.alone(_connections, place["ids"][1])


def _connections(crowd: Threads, ident: int) -> int:
    made: list[Any] = []
    audit = Audit.get(CONTEXT, ident)
    with _listening("connect", lambda *ignored: made.append(1)):
        for number in range(10):
            Audit.get(CONTEXT, ident)
            with db.transaction():
                audit.status_message = str(number)
                audit.save()
    return len(made)


@contextmanager
def _listening(event: str, note: Callable[..., None]) -> Any:
    sa.event.listen(db.get_engine(), event, note)
    try:
        yield
    finally:
        sa.event.remove(db.get_engine(), event, note)


def blocked(crowd: Threads, place: dict[str, Any]) -> dict[str, bool]:
    """One holds a lock while it sleeps; another waits for that, and a third goes on."""
    roles = [(role, place["ids"][2], place["flag"]) for role in (_hold, _wait, _go_on)]
    released, waited, went_on = crowd.map(_play, roles)
    return {"in_order": waited > released, "went_on": went_on}


def _play(crowd: Threads, given: Any) -> Any:
    role, ident, flag = given
    return role(crowd, ident, Path(flag))


def _hold(crowd: Threads, ident: int, flag: Path) -> float:
    with db.transaction():
        _write(ident, "holder")
        flag.touch()
        crowd.sleep(0.3)
        return time.monotonic()


def _wait(crowd: Threads, ident: int, flag: Path) -> float:
    _until_held(crowd, flag)
    _write(ident, "waiter")
    return time.monotonic()


def _go_on(crowd: Threads, ident: int, flag: Path) -> bool:
    _until_held(crowd, flag)
    began = time.monotonic()
    for _ in range(5):
        crowd.sleep(0.01)
        Audit.get(CONTEXT, ident)
    # Had the waiter stopped it, this would have been the time of the waiter's call.
    return time.monotonic() - began < 10


def _until_held(crowd: Threads, flag: Path) -> None:
    while not flag.exists():
        crowd.sleep(0.01)


def _write(ident: int, message: str) -> None:
    audit = Audit.get(CONTEXT, ident)
    audit.status_message = message
    audit.save()


def limits(crowd: Threads, place: dict[str, Any]) -> Any:
    """Limits end a call that waits for a lock, and one of many at any moment."""
    return crowd.alone(_limits, place)


def _limits(crowd: Threads, place: dict[str, Any]) -> Any:
    ids, struck, own = place["ids"], [], []
    for error in (HardLimit, SoftLimit, TimeoutError):
        with _locked(place["url"], ids[3]):
            struck.append(crowd.is_struck(lambda: _write(ids[3], "late"), 0.1, error))
            own.append(_own_rows(ids))
        for number in range(5):
            crowd.is_struck(lambda: _own_rows(ids * 50), 0.002 * (number + 1), error)
            own.append(_own_rows(ids))
    return {"struck": all(struck), "own": all(own)}


def _own_rows(ids: list[int]) -> bool:
    return all(Audit.get(CONTEXT, ident).id == ident for ident in ids)


@contextmanager
def _locked(url: str, ident: int) -> Any:
    """Lock an audit in a transaction that has nothing to do with the library."""
    with closing(database.admin(url).connect()) as connection:
        connection.exec_driver_sql(_BEGIN[connection.dialect.name])
        connection.exec_driver_sql(f"UPDATE audits SET hostname = 'x' WHERE id = {ident}")
        yield
        connection.exec_driver_sql("ROLLBACK")


_BEGIN = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "BEGIN", "mysql": "START TRANSACTION"}

SCENARIOS = (basics, claims, transactions, connections, blocked, limits)
