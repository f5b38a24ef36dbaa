# SPDX-License-Identifier: Apache-2.0
"""What ``audit stats`` counts, and how it shows that."""

import contextlib
import datetime
import sqlite3

import pytest

from watcher_objects.states import AuditStateTransitionManager

AGES = ("< 1 hour", "< 1 day", "< 1 week", "< 30 days", "< 1 year", "older")


@pytest.fixture
def write(filled):
    """Write to the filled database by SQL."""

    def write(statement, *values):
        with contextlib.closing(sqlite3.connect(filled)) as connection, connection:
            connection.execute(statement, values)

    return write


@pytest.fixture
def stats(rows):
    """Count, and return the numbers by value, without those that are 0."""

    def stats(*words):
        return {r["value"]: r["count"] for r in rows("audit", "stats", *words) if r["count"]}

    return stats


def test_audits_are_counted_by_state_type_host_and_age(rows):
    listed = rows("audit", "stats", *(f"--by={by}" for by in ("state", "type", "host", "age")))
    assert list(listed[0]) == ["by", "value", "count"]
    assert list(dict.fromkeys(row["by"] for row in listed)) == ["state", "type", "host", "age"]
    printed = {(row["by"], row["value"]): row["count"] for row in listed if row["count"]}
    assert printed == {
        ("state", "PENDING"): 4,
        ("type", "ONESHOT"): 4,
        ("host", None): 4,
        ("age", "< 1 hour"): 4,
    }


def test_the_work_and_the_workers_are_counted(rows, write):
    def counted(*words):
        return {(r["by"], r["value"]): r["count"] for r in rows("audit", "stats", *words)}

    words = "--by", "work", "--by", "workers"
    oldest, due, stuck = (
        ("work", f"{what}")
        for what in ("seconds of the oldest PENDING", "due ONGOING", "stuck ONGOING")
    )
    found = counted(*words)
    assert found.pop(oldest) >= 0
    dead, alive = ("workers", "dead"), ("workers", "alive")
    assert found == {due: 0, stuck: 0, alive: 0, dead: 0}
    assert counted().items() >= found.items()
    write(
        "INSERT INTO workers (uuid, host, ttl, started_at, alive_until) VALUES"
        " ('w', 'h', 1, '2020-01-01 00:00:00', '2020-01-01 00:00:00')"
    )
    write("UPDATE audits SET state = 'ONGOING', worker_id = 1, attempts = 1")
    assert counted(*words) == {oldest: None, due: 0, stuck: 4, alive: 0, dead: 1}
    assert counted(*words, "--name", "one")[stuck] == 1


def test_known_values_are_listed_even_without_audits(rows):
    listed = rows("audit", "stats", "--by", "state", "--by", "age")
    states = [row["value"] for row in listed if row["by"] == "state"]
    assert states == [s for s in AuditStateTransitionManager.TRANSITIONS if s != "DELETED"]
    assert [row["value"] for row in listed if row["by"] == "age"] == [*AGES]


def test_unknown_values_are_listed_too(stats, write):
    write("UPDATE audits SET state = 'TIRED', created_at = NULL WHERE id = 1")
    assert stats("--by", "state") == {"PENDING": 3, "TIRED": 1}
    assert stats("--by", "age") == {"< 1 hour": 3, None: 1}


def test_each_age_is_counted_where_it_belongs(stats, write):
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    for number, days in enumerate((-1, 0.5, 3, 20), 1):
        created = now - datetime.timedelta(days=days)
        write("UPDATE audits SET created_at = ? WHERE id = ?", str(created), number)
    assert stats("--by", "age") == dict.fromkeys(AGES[:4], 1)
    for number, days in enumerate((100, 400), 1):
        created = now - datetime.timedelta(days=days)
        write("UPDATE audits SET created_at = ? WHERE id = ?", str(created), number)
    assert stats("--by", "age") == {"< 1 week": 1, "< 30 days": 1, "< 1 year": 1, "older": 1}


def test_the_busiest_hosts_come_first(stats, write):
    write("UPDATE audits SET hostname = CASE WHEN id < 2 THEN 'a' WHEN id < 4 THEN 'b' END")
    assert [*stats("--by", "host").items()] == [("b", 2), ("a", 1), (None, 1)]


def test_the_filters_of_a_list_narrow_what_is_counted(stats):
    assert stats("--by", "state", "--goal", "cool") == {"PENDING": 2}
    assert stats("--by", "state", "--filter", "name__in=one,two,three") == {"PENDING": 3}
    assert stats("--by", "state", "--deleted") == {"PENDING": 4, "DELETED": 1}
    assert stats("--by", "type", "--state", "deleted") == {"ONESHOT": 1}


@pytest.mark.parametrize("form", ["table", "json", "yaml", "csv", "value"])
def test_the_numbers_come_in_every_format(on, form):
    result = on("audit", "stats", "-f", form)
    assert (result.code, result.err) == (0, "")
    assert all(value in result.out for value in ("PENDING", "ONESHOT", "< 1 hour", "4"))


def test_an_empty_database_has_nothing_and_no_error(run, empty):
    words = "--database", f"sqlite:///{empty}"
    assert run(*words, "db", "upgrade").code == 0
    result = run(*words, "audit", "stats")
    assert (result.code, result.err) == (0, "")
    assert "host" not in result.out


def test_what_a_terminal_would_obey_is_shown_and_not_sent(on, write):
    write("UPDATE audits SET hostname = ?", "\x1b[31m<red>\u202e\ufffe")
    shown = r"\x1b[31m<red>\u202e\ufffe"
    for form in ("table", "value"):
        printed = on("audit", "stats", "-f", form).out
        assert shown in printed
        assert not {"\x1b", "\u202e"} & set(printed)
