# SPDX-License-Identifier: Apache-2.0
"""Purges: what is removed, what is kept, and what others may do at the same time."""

import datetime
import functools
import signal
import threading
import time

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oslo_utils import timeutils

from tests import test_interrupted_upgrade as interrupted
from tests.conftest import clean
from tests.population import value_of
from watcher_objects import db, exception
from watcher_objects.db import models, purge, transactions
from watcher_objects.db.sql import filters

TABLES = {name: models.metadata.tables[name] for name in purge.TYPES}
#: The ways to a goal, listed independently of the models.
TO_GOALS = {
    "strategies": "goal_id",
    "audit_templates": "goal_id",
    "audits": "goal_id",
    "action_plans": "audit_id",
    "actions": "action_plan_id",
    "efficacy_indicators": "action_plan_id",
}
OWNER = {"actions": "action_plan_id", "efficacy_indicators": "action_plan_id"}
DAYS = 30
# Of eventlet, and of Python where other threads run.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def put(name, *rows):
    """Store rows: each an id, how many days ago it was soft-deleted or None, and other values."""
    table = TABLES[name]
    made = []
    for ident, age, *more in rows:
        row = {c.name: value_of(table, c, ident) for c in table.columns}
        row |= {"id": ident, "deleted": 0, "deleted_at": None}
        if isinstance(table.c.id.type, sa.String):
            row["id"] = str(ident)
        if age is not None:
            row |= {"deleted": ident, "deleted_at": timeutils.utcnow() - datetime.timedelta(age)}
        made.append(row | (more[0] if more else {}))
    with transactions.connected() as connection:
        connection.execute(sa.insert(table), made)


def left(*names):
    """The ids that there are, by table."""
    found = {}
    for name in names or TABLES:
        rows = transactions.execute(sa.select(TABLES[name].c.id)).rows
        found[name] = sorted(int(row.id) for row in rows)
    return found if len(names) != 1 else found[names[0]]


def family(age=40, number=1):
    """Store rows that all point at one another, deleted so long ago."""
    for name, table in reversed(TABLES.items()):
        keys = {key.name: number for _, key in filters.relations(table)}
        put(name, (number, age, keys))


def removed(*args, **kwargs):
    return {c.table: c[1:] for c in purge.remove(purge.Selection(*args, **kwargs)) if c.found}


# --- what goes ------------------------------------------------------------------------------


def test_a_row_stays_whose_time_of_deletion_is_not_known(sqlite):
    put("scoring_engines", (1, 40, {"deleted_at": None}), (2, 40, {"deleted": 0}))
    assert removed(0) == {}


def test_an_age_may_be_a_fraction_of_a_day_and_zero_means_all(database):
    put("scoring_engines", (1, 0.6), (2, 0.4), (3, 0))
    assert removed("0.5") == {"scoring_engines": (1, 1, 0)}
    assert removed(0) == {"scoring_engines": (2, 2, 0)}


def test_rows_go_that_are_in_a_state_or_go_with_such(sqlite):
    put("goals", (1, None))
    put("strategies", (1, None))
    put("audits", (1, None))
    put("action_plans", (1, 40, {"state": "FAILED"}), (2, 40, {"state": "DELETED"}))
    put("efficacy_indicators", (1, 40), (2, 40, {"action_plan_id": 2}), (3, 40))
    put("actions", (1, 40, {"state": "DELETED", "action_plan_id": 1}))
    assert removed(DAYS, states=["FAILED"]) == {
        "efficacy_indicators": (2, 2, 0),
        "actions": (1, 1, 0),
        "action_plans": (1, 1, 0),
    }
    assert left("action_plans") == left("efficacy_indicators") == [2]


def test_no_more_rows_go_than_those_of_a_goal_by_its_name_or_uuid(sqlite):
    uuid = "5c1a1b2e-8d0f-4d0c-9a5e-0a2d3c4b5a69"
    put("goals", (1, 40, {"uuid": uuid}), (2, 40, {"name": "cool"}), (3, 40))
    put("audits", *((n, 40, {"goal_id": n, "strategy_id": None}) for n in (1, 2, 3)))
    put("services", (1, 40))
    assert removed(DAYS, of={"goal": [uuid, "cool"]}).keys() == {"audits", "goals"}
    assert left("goals") == left("audits") == [3]
    assert left("services") == [1]


# --- the model ------------------------------------------------------------------------------


@st.composite
def graphs(draw):
    """Rows of all tables: their age and what they point at, by table and id."""
    rows = {}
    for name, table in reversed(TABLES.items()):
        for ident in range(1, draw(st.integers(0, 4)) + 1):
            keys = {}
            for _, key in filters.relations(table):
                owners = [i for t, i in rows if t == filters.target(key).name]
                some = st.sampled_from(owners) if owners else st.nothing()
                keys[key.name] = some | st.none() if key.nullable else some
            if any(way.is_empty for way in keys.values()):
                break
            age = draw(st.sampled_from([40] * 8 + [None, 1]))
            rows[name, ident] = age, {key: draw(way) for key, way in keys.items()}
    return rows


def target(name, key):
    return filters.target(TABLES[name].c[key]).name


def goal_of(rows, name, ident):
    while name != "goals":
        key = TO_GOALS.get(name)
        if key is None:
            return None
        name, ident = target(name, key), rows[name, ident][1][key]
    return ident


def is_to_go(rows, row, types, goals):
    """Whether a row is old, and is asked for or goes with one that is to go."""
    (name, ident), (age, keys) = row, rows[row]
    if age is None or age < DAYS:
        return False
    if name in types and (goals is None or goal_of(rows, name, ident) in goals):
        return True
    key = OWNER.get(name)
    return key is not None and is_to_go(rows, (target(name, key), keys[key]), types, goals)


def survivors(rows, types, goals):
    """What a purge leaves, by the rules alone."""
    alive = dict(rows)
    while True:
        pointed_at = {
            (target(n, k), i) for (n, _), (_, keys) in alive.items() for k, i in keys.items()
        }
        gone = [r for r in alive if r not in pointed_at and is_to_go(rows, r, types, goals)]
        if not gone:
            return alive.keys()
        for row in gone:
            del alive[row]


@given(
    rows=graphs(),
    types=st.none() | st.sets(st.sampled_from([*TO_GOALS, "goals"]), min_size=1, max_size=3),
    goals=st.none() | st.none() | st.sets(st.integers(1, 4), min_size=1),
    batch=st.integers(1, 3),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_exactly_those_rows_are_left_that_the_rules_leave(database, rows, types, goals, batch):
    clean()
    for name in reversed(TABLES):
        some = [(i, *rows[n, i]) for n, i in rows if n == name]
        put(name, *some) if some else None
    goals = goals and goals & {i for n, i in rows if n == "goals"}
    names = goals and {
        "goal": [value_of(TABLES["goals"], TABLES["goals"].c.name, i) for i in goals]
    }
    selection = purge.Selection(DAYS, types=types, of=names or None)
    expected = survivors(rows, TABLES if types is None else types, goals or None)
    counted = purge.count(selection)
    assert purge.remove(selection, purge.Pace(batch)) == counted
    assert sum(count.removed for count in counted) == len(rows) - len(expected)
    assert {(n, i) for n, ids in left().items() for i in ids} == expected


# --- concurrent changes ----------------------------------------------------------------------


def lives(number):
    """Store as many audits, each with a plan and that with an action, that are to go."""
    ids = range(1, number + 1)
    put("goals", (1, None))
    put("strategies", (1, None))
    put("audits", *((n, 40) for n in ids))
    put("action_plans", *((n, 40, {"audit_id": n}) for n in ids))
    put("actions", *((n, 40, {"action_plan_id": n}) for n in ids))


LIVES = ("audits", "action_plans", "actions")


def purge_in_threes():
    purge.remove(purge.Selection(DAYS, types=LIVES), purge.Pace(3))


def test_a_purge_that_is_killed_before_any_statement_is_run_again(database):
    lives(7)
    points = interrupted.statements(purge_in_threes)[0]
    for last in interrupted.some(points, 3):
        clean()
        lives(7)
        assert interrupted.killed(purge_in_threes, last) == -signal.SIGKILL
        rest = left(*LIVES)
        assert set(rest["actions"]) <= set(rest["action_plans"]) <= set(rest["audits"])
        purge_in_threes()
        assert not any(left(*LIVES).values())
    assert left("goals") == left("strategies") == [1]


def test_two_purges_at_once_do_no_harm(database):
    lives(40)
    start, reports = threading.Barrier(2, timeout=60), []

    def run():
        start.wait()
        reports.append(purge.remove(purge.Selection(DAYS, types=LIVES), purge.Pace(5)))

    both = [threading.Thread(target=run) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len(reports) == 2
    assert not any(count.kept for report in reports for count in report)
    assert not any(left(*LIVES).values())


def before_first(word, act):
    """Do something once, before the first statement that begins so."""
    waiting = [act]

    def note(connection, cursor, statement, *rest):
        if statement.startswith(word) and waiting:
            waiting.pop()()

    sa.event.listen(db.get_engine(), "before_cursor_execute", note)


def test_a_row_that_becomes_referenced_during_the_purge_is_kept(database):
    put("goals", (1, None))
    put("strategies", (1, None))
    put("audits", *((n, 40) for n in range(1, 9)))
    stored, sent = threading.Event(), threading.Event()

    def write():
        with db.transaction():
            put("action_plans", (1, None, {"audit_id": 5}))
            stored.set()
            sent.wait(20)
            # The DELETE is waiting for the row, or about to.
            time.sleep(0.2)

    writer = threading.Thread(target=write)

    def begin():
        writer.start()
        stored.wait(20)
        sent.set()

    # On SQLite the transaction of a DELETE excludes the writer's.
    before_first("BEGIN" if database == "sqlite" else "DELETE FROM audits", begin)
    assert removed(DAYS) == {"audits": (8, 7, 1)}
    writer.join()
    assert left("audits", "action_plans") == {"audits": [5], "action_plans": [1]}


def test_a_row_that_is_restored_during_the_purge_is_kept(database):
    put("scoring_engines", *((n, 40) for n in range(1, 4)))
    table = TABLES["scoring_engines"]

    def bring_back():
        mine = sa.update(table).where(table.c.id == 2)
        transactions.execute(mine.values(deleted=0, deleted_at=None))

    before_first("DELETE", bring_back)
    assert removed(DAYS) == {"scoring_engines": (3, 2, 1)}
    assert left("scoring_engines") == [2]


def test_a_row_that_a_table_of_others_points_at_is_kept(database):
    put("scoring_engines", *((n, 40) for n in range(1, 6)))
    key = sa.ForeignKey(TABLES["scoring_engines"].c.id)
    more = sa.Column("engine_id", sa.Integer, key)
    others = sa.Table("others", sa.MetaData(), more, mysql_engine="InnoDB")
    with db.get_engine().connect() as connection:
        others.create(connection)
        connection.execute(others.insert().values(engine_id=3))
    assert removed(DAYS) == {"scoring_engines": (5, 4, 1)}
    with db.get_engine().connect() as connection:
        others.drop(connection)
    assert left("scoring_engines") == [3]


# --- how ------------------------------------------------------------------------------------


def engines(number):
    put("scoring_engines", *((n, 40) for n in range(1, number + 1)))
    return purge.Selection(DAYS, types=["scoring_engines"])


def test_each_batch_is_two_statements_or_three_and_to_count_it_is_one(database, statements):
    put("goals", *((n, 40) for n in range(1, 7)))
    put("strategies", *((n, None, {"goal_id": n}) for n in range(1, 7)))
    selection, sent = engines(7), []

    def note(*output):
        sent.append((*output, len(statements)))
        statements.clear()

    statements.clear()
    purge.count(selection, note)
    purge.remove(selection, purge.Pace(2), note)
    # The first of a table asks for its last id.
    assert [number for *_, number in sent] == [2, 3, 2, 2, 2]
    assert [output for *output, _ in sent][1:] == [
        ["scoring_engines", done, 7] for done in (2, 4, 6, 7)
    ]
    sent.clear()
    # Where rows are kept, they are counted.
    (count,) = purge.remove(purge.Selection(DAYS, types=["goals"]), purge.Pace(2), note)
    assert count == ("goals", 6, 0, 6)
    assert [number for *_, number in sent] == [4, 3, 3]


def test_no_more_rows_go_in_a_second_than_are_asked_for(sqlite, monkeypatch):
    slept = []
    monkeypatch.setattr(purge.time, "sleep", slept.append)
    purge.remove(engines(7), purge.Pace(rate=3))
    assert [round(seconds) for seconds in slept] == [1, 1, 0]


def test_a_purge_stops_between_batches(sqlite):
    asked = iter([False, True])
    counts = purge.remove(engines(5), purge.Pace(2), stop=functools.partial(next, asked, True))
    assert counts == [("scoring_engines", 2, 2, 0)]
    assert left("scoring_engines") == [3, 4, 5]


def test_a_purge_publishes_no_events(sqlite, published):
    family()
    purge.remove(purge.Selection(DAYS))
    assert published == []


def test_a_transaction_around_a_purge_is_refused(sqlite):
    selection = engines(1)
    with db.transaction(), pytest.raises(exception.DatabaseError, match="inside a transaction"):
        purge.remove(selection)
    assert left("scoring_engines") == [1]


@pytest.mark.parametrize("days", [True, None, "nan", float("inf"), -1, 1e300, "1_0", [1]])
def test_an_age_that_is_none_is_refused(days):
    with pytest.raises(exception.InvalidValue, match=r"^days takes"):
        purge.Selection(days)


def test_an_unknown_name_is_rejected_with_the_known_ones(sqlite):
    put("goals", (1, 40, {"name": "cool"}))
    for asked, output in (
        ({"types": ["wild"]}, "types takes .*audits"),
        ({"types": "audits"}, "types takes a list"),
        ({"states": ["wild"]}, "states takes .*SUPERSEDED"),
        ({"states": [None]}, "states takes text"),
        ({"types": ["goals"], "states": ["FAILED"]}, "whose rows have state"),
        ({"types": ["services"], "of": {"goal": ["cool"]}}, "whose rows have goal"),
        ({"of": {"wild": ["cool"]}}, "of takes .*goal"),
        ({"of": ["goal"]}, "of takes a dict"),
        ({"of": {"goal": "cool"}}, "goal takes a list"),
        ({"of": {"goal": ["none"]}}, "goal takes a uuid or name that there is: cool"),
        ({"of": {"goal": ["cool\0"]}}, "goal takes a uuid"),
    ):
        with pytest.raises(exception.InvalidValue, match=output):
            purge.Selection(DAYS, **asked)


@pytest.mark.parametrize(
    ("given", "expected"),
    [({"batch": 0}, "batch"), ({"batch": 10_001}, "batch"), ({"batch": 1.5}, "batch")]
    + [({"rate": rate}, "rate") for rate in (0, "nan", True, 0.5)],
)
def test_a_pace_that_is_none_is_refused(given, expected):
    with pytest.raises(exception.InvalidValue, match=f"^{expected} takes"):
        purge.Pace(**given)
