# SPDX-License-Identifier: Apache-2.0
"""Pages: walking them sees each row exactly once, in one order on every database."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import factory
from tests.conftest import clean
from watcher_objects import Audit, db

KEYS = [c.name for c in Audit.table.columns if not {"json", "internal"} & c.info.keys()]


def populate(context, hosts):
    """Store one audit for each host name; many have the same, some have none."""
    clean()
    with db.transaction():
        return [
            factory.stored(Audit, context, hostname=host, strategy_id=None, interval=host)
            for host in hosts
        ]


def ordered(audits, key, descending):
    def place(audit):
        value = 0 if key == "deleted" else audit[key]
        return (value is not None, value if value is not None else 0, audit.id)

    return sorted(audits, key=place, reverse=descending)


def walked(context, marker_of, **arguments):
    seen, marker = [], None
    while page := Audit.list(context, marker=marker, **arguments):
        assert len(page) <= arguments["limit"]
        seen += page
        marker = marker_of(page[-1])
    return seen


MARKERS = {
    "object": lambda audit: audit,
    "uuid": lambda audit: audit.uuid,
    "id": lambda audit: audit.id,
    "text": lambda audit: str(audit.id),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    hosts=st.lists(st.sampled_from([None, "", "a", "B", "ä", "a "]), max_size=9),
    key=st.sampled_from(["hostname", "interval", "auto_trigger", "name", "strategy_id"]),
    descending=st.booleans(),
    limit=st.integers(1, 4),
    marker=st.sampled_from(sorted(MARKERS)),
)
def test_walking_sees_each_row_once_in_order(
    database, context, hosts, key, descending, limit, marker
):
    audits = populate(context, hosts)
    arguments = {"sort_key": key, "sort_dir": "desc" if descending else "asc", "limit": limit}
    seen = walked(context, MARKERS[marker], **arguments)
    assert seen == ordered(audits, key, descending)


def test_every_column_but_the_documents_sorts(database, context):
    audits = populate(context, [None, "b", "a", "b", None])
    for key in KEYS:
        for direction in ("asc", "desc"):
            order = {"sort_key": key, "sort_dir": direction, "limit": 2}
            seen = walked(context, MARKERS["object"], **order)
            assert seen == ordered(audits, key, direction == "desc"), key


def test_rows_that_come_while_walking_disturb_nothing(database, context):
    audits = populate(context, ["b", None, "d", "b", "c"])
    arguments = {"sort_key": "hostname", "limit": 2}
    first = Audit.list(context, **arguments)
    factory.stored(Audit, context, hostname="a")
    late = factory.stored(Audit, context, hostname="e")
    rest, marker = [], first[-1]
    while page := Audit.list(context, marker=marker, **arguments):
        rest, marker = rest + page, page[-1]
    assert first + rest == [*ordered(audits, "hostname", False), late]


def test_a_marker_that_was_deleted_still_marks_its_place(database, context):
    audits = populate(context, ["a", "b", "c"])
    page = Audit.list(context, limit=2)
    page[-1].state = "CANCELLED"
    page[-1].save()
    page[-1].soft_delete()
    for marker in (page[-1], page[-1].uuid, page[-1].id):
        assert Audit.list(context, marker=marker) == audits[2:]


def test_a_marker_that_was_changed_and_not_saved_marks_its_row(database, context):
    audits = populate(context, ["a", "b", "c"])
    page = Audit.list(context, sort_key="hostname", limit=1)
    page[-1].hostname = "z"
    assert Audit.list(context, sort_key="hostname", marker=page[-1]) == audits[1:]


def test_pages_go_with_filters_and_relations(database, context):
    audits = populate(context, ["a", "b", "a", "b", "a"])
    arguments = {"filters": {"hostname": "a", "goal_id__neq": None}, "eager": True}
    page = Audit.list(context, limit=2, **arguments)
    assert page + Audit.list(context, marker=page[-1], **arguments) == audits[::2]


def test_a_limit_is_kept(database, context):
    audits = populate(context, ["a"] * 3)
    assert Audit.list(context, limit=0) == []
    assert Audit.list(context, limit=2) == audits[:2]
    assert Audit.list(context, limit=2**80) == audits
