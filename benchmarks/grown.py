# SPDX-License-Identifier: Apache-2.0
"""The process that calls our objects on a database of few or many rows."""

import gc
import itertools
import time
from collections.abc import Callable
from typing import Any

from oslo_context.context import RequestContext

from benchmarks import rows, sql, worker
from benchmarks.operations import WRITES
from watcher_objects import Audit, db

context = RequestContext()
PAGE, CALLS, PAGES = 100, 10, 10_000


class Grown:
    """Calls, each of which could take longer the more rows there are."""

    def __init__(self, _: Any, url: str) -> None:
        db.configure(url)
        self.database = sql.Database(url)
        ((self.last,),) = self.database.run("SELECT max(id) FROM audits")
        ((self.live,),) = self.database.run("SELECT count(*) FROM audits WHERE deleted = 0")
        # A live row in the middle, and the one with which the last page but one ends.
        self.middle, self.late = self._live_from(self.last // 2), self._live_before_last_page()
        self._texts = itertools.count()
        self._calls = self._pages() | {
            "get_by_uuid": lambda audit: [Audit.get_by_uuid(context, audit.uuid)],
            "save": self._save,
            "destroy": lambda audit: audit.destroy(),
        }

    def _live_from(self, number: int) -> Audit:
        statement = (
            "SELECT min(id) FROM audits WHERE deleted = 0 AND state = 'PENDING' AND id >= %s"
        )
        return Audit.get(context, self.database.run(statement, number)[0][0])

    def _live_before_last_page(self) -> Audit:
        statement = "SELECT id FROM audits WHERE deleted = 0 ORDER BY id DESC LIMIT 1 OFFSET %s"
        return Audit.get(context, self.database.run(statement, PAGE)[0][0])

    def _pages(self) -> dict[str, Callable[[Any], Any]]:
        """Return the calls that list."""

        def page(**how: Any) -> Callable[[Any], Any]:
            return lambda _: Audit.list(context, limit=PAGE, **how)

        time_key: dict[str, Any] = {"sort_key": "created_at"}
        return {
            "page by id, first": page(),
            "page by id, last": page(marker=self.late),
            "page by created_at, first": page(**time_key),
            "page by created_at, middle": page(**time_key, marker=self.middle),
            "page by created_at, last": page(**time_key, marker=self.late),
            "page by created_at, desc": page(**time_key, sort_dir="desc"),
            "page by state, middle": page(sort_key="state", marker=self.middle),
            "state=ONGOING": page(filters={"state": "ONGOING"}),
        }

    def _save(self, audit: Audit) -> None:
        audit.status_message = f"Changed {next(self._texts)}"
        audit.save()

    def _subjects(self, call: str, count: int) -> list[Any]:
        if call == "destroy":
            spare = range(rows.SPARE, rows.SPARE + count)
            self.database.load("audits", map(rows.audit, spare))
            return [Audit.get(context, number) for number in spare]
        if call in ("save", "get_by_uuid"):
            # Live ones, all over the table.
            places = (1 + n * (self.last // count) // 10 * 10 for n in range(count))
            return [Audit.get(context, number) for number in places]
        return [None] * count

    def calls(self) -> list[str]:
        """Return their names."""
        return list(self._calls)

    def returned(self) -> dict[str, int | None]:
        """Return how many rows each of them returns; None of a write."""
        found: dict[str, int | None] = dict.fromkeys(self._calls)
        for call in self._calls.keys() - WRITES:
            (subject,) = self._subjects(call, 1)
            found[call] = len(self._calls[call](subject))
        return found

    def time(self, call: str) -> float:
        """Return the seconds that a call takes."""
        run, subjects = self._calls[call], self._subjects(call, CALLS)
        gc.collect()
        begun = time.perf_counter()
        for subject in subjects:
            run(subject)
        return (time.perf_counter() - begun) / CALLS

    def walk(self) -> dict[str, Any]:
        """Walk over the pages of all rows, and return the seconds of the first and last tenth."""
        size = max(1, self.live // PAGES)
        pages = min(PAGES, self.live // size)
        took, marker, seen = [], None, 0
        for _ in range(pages):
            begun = time.perf_counter()
            found = Audit.list(context, limit=size, sort_key="created_at", marker=marker)
            took.append(time.perf_counter() - begun)
            marker, seen = found[-1], seen + len(found)
        chunk = pages // 10
        measured = {"pages": pages, "chunk": chunk, "size": size, "rows": seen}
        return {**measured, "first": sum(took[:chunk]), "last": sum(took[-chunk:])}


if __name__ == "__main__":
    worker.serve(lambda url: None, Grown)
