# SPDX-License-Identifier: Apache-2.0
"""What the public calls accept and refuse, except values of fields: on every database."""

import uuid
from functools import partial

import pytest
import sqlalchemy as sa
from oslo_versionedobjects import exception as ovo_exception

from tests import factory
from tests.boundary_values.kinds import NOON, SQL, Colour, Odd
from tests.boundary_values.test_fields import stored_rows
from tests.boundary_values.verdicts import Refusal, expected, outcome, shown
from tests.generated import BY_NAME
from watcher_objects import Audit, Goal, db, events, exception, rpc
from watcher_objects.base import WatcherObject
from watcher_objects.db import migration
from watcher_objects.states import (
    ActionPlanStateTransitionManager,
    ActionStateTransitionManager,
    AuditStateTransitionManager,
)

NAN, HUGE = float("nan"), 10**5000
AWAY = str(uuid.UUID(int=4711))


def refusals(error, message, *values):
    """Pair values with one refusal; ``{}`` is the value as a message shows it."""
    return [
        (value, Refusal(error, message.replace("{}", text)))
        for value, text in ((v, text_of(v)) for v in values)
    ]


def text_of(value):
    """Return a value as a message shows it."""
    # Scalars are shown, printable everywhere; of all else the kind is named.
    if value is HUGE:
        return "a huge int"
    if isinstance(value, str | int | float | None | uuid.UUID):
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))
    return f"a {type(value).__name__}"


#: Values that mean no row, whatever they are given as.
NOTHING = (
    None,
    "",
    " ",
    "x",
    SQL,
    "1abc",
    "1 ",
    "+1",
    "1.0",
    "a\0b",
    "\ud800",
    "\u202e",
    "\uff19",
)
NOTHING += (1.5, NAN, True, b"1", [1], {"a": 1}, (1,), {1}, Colour.RED, NOON, Odd(), Odd)
NO_IDS = (0, -1, 4711, "4711", 2**31, -(2**31), 2**63, HUGE)
_UUID_LIKE = ("1" * 31, "1" * 33, "g" * 32, "2b7e8f64_0c0e_4a4b_9d1e_0f1b2c3d4e5f")

#: The error of each class where there is no such object.
NOT_FOUND = {
    name: (cls.not_found, f"{cls.resource.replace('_', ' ').capitalize()} {{}} not found")
    for name, cls in BY_NAME.items()
}

_NO_IDENTITY = (exception.InvalidIdentity, "Expected an id or a uuid, got {}")
_NO_UUID = (exception.InvalidUUID, "Expected a uuid, got {}")
_NO_NAME = (exception.InvalidName, "Expected a name, got {}")
_NO_TEXT = (None, 5, 1.5, NAN, True, b"a", ["a"], {"a": 1}, ("a",), Colour.RED, NOON, Odd(), HUGE)
#: Of which length the names of a class are.
NAMES = {
    name: cls.table.columns["name"].type.length
    for name, cls in BY_NAME.items()
    if "name" in cls.fields and hasattr(cls, "get_by_name")
}


def finders(name):
    """Return for each finder of a class its inputs."""
    missing = NOT_FOUND[name]
    found = {
        "get": [*refusals(*_NO_IDENTITY, *NOTHING), *_gone(missing)],
        "get_by_id": [*refusals(*_NO_IDENTITY, *NOTHING, AWAY), *_gone(missing)],
    }
    if "uuid" in BY_NAME[name].fields:
        found["get"] += refusals(*_NO_IDENTITY, *_UUID_LIKE) + refusals(*missing, AWAY)
        found["get_by_uuid"] = [
            *refusals(*_NO_UUID, *NOTHING, *_UUID_LIKE, 4711, HUGE),
            *refusals(*missing, AWAY),
        ]
    if name in NAMES:
        bad = ("a\0", "\ud800", "n" * (NAMES[name] + 1))
        found["get_by_name"] = [
            *refusals(*_NO_NAME, *_NO_TEXT, *bad),
            *refusals(*missing, "x", "", "X ", SQL, "😀" * NAMES[name], "%"),
        ]
    return found


def _gone(missing):
    error, message = missing
    return [
        *refusals(error, message, 0, -1, 4711, 2**31, -(2**31), 2**63, HUGE),
        *refusals(error, message, "4711", "0"),
    ]


def _parameter(name, allowed, *values):
    return [
        ({name: value}, Refusal(exception.InvalidParameter, f"{name} must be {allowed}"))
        for value in values
    ]


_OPERATORS = "eq, neq, gt, gte, lt, lte, in, notin"


def _filter(filters, reason, error=exception.InvalidFilter):
    (name,) = filters
    message = f"Invalid filter {text_of(name)}: {reason}"
    return {"filters": filters}, Refusal(error, message)


def lists(name):
    """Return the inputs of list."""
    marker = f"{name}, a uuid or an id"
    missing = NOT_FOUND[name]
    no_list = "name takes a list of values, got a value of type "
    columns = BY_NAME[name].table.columns
    keys = [c.name for c in columns if not {"json", "internal"} & c.info.keys()]
    sort_key = f"Unknown sort key {{}}; expected one of {', '.join(keys)}"
    return [
        *_parameter("limit", "a whole number from 0 up", "2", 1.5, NAN, True, b"1", [1], Odd()),
        *(
            ({"limit": value}, verdict)
            for value, verdict in refusals(
                exception.NegativeLimitError,
                "The limit must be an integer of at least 0, got {}",
                *(-1, -(2**63)),
            )
        ),
        *_parameter("sort_dir", "asc or desc", "up", "DESC", "", 1, b"asc", ["asc"], Odd(), SQL),
        *(
            ({"sort_key": value}, verdict)
            for value, verdict in refusals(
                exception.InvalidSortKey,
                sort_key,
                *(
                    "nam",
                    "",
                    "NAME",
                    SQL,
                    "id; --",
                    "goal",
                    "parameters",
                    "efficacy_specification",
                ),
                *(1, 1.5, True, b"id", ["id"], {"id": 1}, ("id",), Odd(), HUGE, "a\0", "\ud800"),
            )
        ),
        *_parameter("marker", marker, *(v for v in NOTHING if v is not None)),
        *(({"marker": v}, r) for v, r in refusals(*missing, *NO_IDS)),
        *(
            ({"filters": value}, Refusal(exception.InvalidFilter, _NO_MAPPING))
            for value in ("name", ["name"], [("name", "a")], 5, True, b"name", {"name"}, Odd())
        ),
        *(
            _filter({value: "a"}, "its name must be text")
            for value in (1, 1.5, None, True, b"name", ("name",), HUGE)
        ),
        *(
            _filter(
                {f"name__{sign}": "a"},
                f"the operator must be one of {_OPERATORS}",
                exception.InvalidOperator,
            )
            for sign in ("like", "EQ", "eq__eq", "ne", "1", SQL)
        ),
        *(
            _filter({"name__in": value}, no_list + type(value).__name__)
            for value in ("abc", {"a": 1}, 5, 1.5, True, b"a", bytearray(b"a"), Odd(), iter("a"))
        ),
        _filter({"name__in": None}, "name takes a list of values, got None"),
        _filter({"name__in": [["a"]]}, "name takes text, got a value of type list"),
        _filter(
            {"id__in": range(10_001)},
            "id takes at most 10000 values, got a value of type range",
        ),
        *(
            _filter(
                {f"name__{sign}": None},
                "name must have a value, as None has no order, got None",
            )
            for sign in ("gt", "gte", "lt", "lte")
        ),
    ]


_NO_MAPPING = "Invalid filter filters: a mapping is needed"
BATCHES = [
    (value, Refusal(exception.InvalidParameter, "batch must be a whole number from 1 up"))
    for value in (0, -1, None, "1", 1.0, NAN, True, b"1", [1], Odd(), -HUGE)
]
CONTEXT = Refusal(
    exception.InvalidParameter,
    "context must be a context like oslo_context.context.RequestContext, not None",
)
NO_URL = "url must be sqlite:///FILE, postgresql://... or mysql://..., an @ in a password as %40"
URLS = [
    (value, Refusal(exception.InvalidParameter, NO_URL))
    for value in (
        *("", " ", "nonsense", "://", "oracle://u:p@h/d", SQL, "a\0b"),
        *("sqlite:///file:a.sqlite?uri=true", "SQLITE:///x"),
        *("mysql://u:p@h:port/d", "mysql://u:a@p@h/d", "\ud800", "http://h/d", "mysql"),
        *(None, 5, 1.5, True, b"sqlite://", ["sqlite://"], {"url": "sqlite://"}, Odd(), HUGE),
    )
]
_OF_ANOTHER_DRIVER = (
    ("sqlite+aiosqlite:///x", "sqlite+pysqlite", "aiosqlite"),
    ("postgresql+psycopg2://u:p@h/d", "postgresql+psycopg", "psycopg2"),
    ("mariadb+asyncmy://u:p@h/d", "mysql+pymysql", "asyncmy"),
)
URLS += [
    (
        value,
        Refusal(
            exception.InvalidParameter,
            f"url must be {used}://..., as the driver {other} is not supported",
        ),
    )
    for value, used, other in _OF_ANOTHER_DRIVER
]
URLS.append(
    (
        "mysql://u:p@h/d?plugin=dbcounter",
        Refusal(
            exception.InvalidParameter,
            "url must be one whose plugins are installed, not dbcounter",
        ),
    )
)
_SECONDS = "a number of seconds"
PROFILES = [
    (value, Refusal(exception.InvalidParameter, "transitions must be strict or watcher"))
    for value in ("", "Strict", "strict ", "loose", None, 5, True, b"strict", Odd(), SQL)
]
_NO_NUMBER = (None, "", "5", -1, NAN, float("inf"), True, b"1", [1], {"a": 1}, Odd(), HUGE)
RETRIES = [
    (
        value,
        Refusal(exception.InvalidParameter, f"retry_for must be 0, or {_SECONDS} from 2 to 86400"),
    )
    for value in (0.1, 1, 1.99, 86400.1, float("-inf"), 10**400, *_NO_NUMBER)
]
TIMEOUTS = [
    (value, Refusal(exception.InvalidParameter, f"timeout must be {_SECONDS} up to 86400"))
    for value in (0, *_NO_NUMBER)
]
TOPICS = [
    (value, Refusal(exception.InvalidParameter, "topic must be text"))
    for value in (None, "", 5, 1.5, True, b"a", ["a"], Odd())
]
CALLBACKS = [
    (value, Refusal(exception.InvalidParameter, "callback must be a function"))
    for value in (None, "print", 5, True, [print], Odd())
]
VERSIONS = refusals(
    ovo_exception.InvalidTargetVersion,
    "Invalid target version {}",
    *("", " ", "x", "1", "1.8.1", "9.9", "0.9", " 1.0", "\uff11.0", "1.0\0", "\ud800", SQL),
    *(5, 1.0, NAN, True, b"1.0", ["1.0"], {"a": 1}, ("1.0",), Odd(), Odd, HUGE),
)
#: Pairs of states, either of which is none.
NO_STATES = ("", " ", "pending", "PENDING ", "NOPE", None, 5, 1.5, True, b"PENDING", ("PENDING",))
#: Values that are not a list of objects of a class.
NO_OBJECTS = (None, 5, "abc", b"abc", True, [None], [5], ["a"], [{"name": "a"}], {"a": 1}, Odd())
#: Values that are not a primitive, and why.
PRIMITIVES = [
    (value, Refusal(exception.InvalidPrimitive, f"Invalid primitive: {reason}"))
    for value, reason in (
        *((value, f"it is a {type(value).__name__}") for value in (None, 5, "{}", b"{}", [], ())),
        *((value, "its name can't be used") for value in ({}, {"watcher_object.name": 5})),
        ({"watcher_object.name": "a\0"}, "its name can't be used"),
        ({"watcher_object.name": "n" * 256}, "its name can't be used"),
        ({"watcher_object.name": "Audit"}, "its namespace can't be used"),
    )
]
#: Values that are not a revision of the schema.
REVISIONS = (None, "", 5, 1.5, True, b"head", ["head"], "nonsense", "+70", "-70", SQL, "\ud800")
MANAGERS = (
    AuditStateTransitionManager,
    ActionPlanStateTransitionManager,
    ActionStateTransitionManager,
)
MOVES = {
    "upgrade": migration.upgrade,
    "downgrade": migration.downgrade,
    "stamp": migration.stamp,
    "plan": migration.plan,
    "sql": migration.sql,
}


@pytest.fixture
def rows(database, context):
    """An object of each class is stored; afterwards all rows are as they were."""
    for cls in factory.CLASSES:
        factory.stored(cls, context)
    before = stored_rows()
    yield before
    assert stored_rows() == before


def wrong(call, inputs):
    """Return what became of inputs otherwise than it should."""
    found = []
    for given, verdict in inputs:
        result = outcome(lambda given=given: call(given))
        if result != expected(verdict, given):
            found.append(f"{shown(given)}: {shown(result)}, not {shown(expected(verdict, given))}")
    return found


def test_what_means_no_object_is_refused_or_not_found(rows, context):
    for name in NOT_FOUND:
        for finder, inputs in finders(name).items():
            find = getattr(BY_NAME[name], finder)
            assert (name, finder, wrong(partial(find, context), inputs)) == (name, finder, [])
            given = AWAY if finder == "get_by_uuid" else "4711"
            assert outcome(partial(find, None, given)) == expected(CONTEXT)


@pytest.mark.parametrize("name", ["Goal", "Audit", "Service"])
def test_what_lists_can_not_use_is_refused(rows, context, name):
    cls = BY_NAME[name]
    assert wrong(lambda given: cls.list(context, **given), lists(name)) == []
    assert outcome(lambda: cls.list(None)) == expected(CONTEXT)
    batches = wrong(lambda given: next(cls.iterate(context, given)), BATCHES)
    assert batches == []


def test_what_is_not_an_object_of_the_class_is_not_stored(rows, context):
    allowed = "objects must be a list of objects of Goal"
    for given in (*NO_OBJECTS, [factory.built(Audit, context)]):
        name, words = outcome(lambda given=given: Goal.create_many(context, given))
        assert (name, words.removeprefix("objects[0]: ")) == ("InvalidParameter", allowed)
    assert outcome(lambda: Goal.create_many(None, [])) == expected(CONTEXT)


def test_what_is_not_a_primitive_is_refused(rows):
    assert wrong(Audit.obj_from_primitive, PRIMITIVES) == []


def test_what_is_not_a_version_is_not_a_target(rows, context):
    for cls in factory.CLASSES:
        assert wrong(cls.list(context)[0].obj_to_primitive, VERSIONS) == []


def test_what_can_not_be_called_is_not_a_subscriber():
    assert wrong(events.subscribe, CALLBACKS) == []


def test_an_invalid_topic_or_timeout_is_rejected():
    assert wrong(lambda given: rpc.enable("fake://", topic=given), TOPICS) == []
    assert wrong(lambda given: rpc.enable("fake://", timeout=given), TIMEOUTS) == []
    assert WatcherObject.indirection_api is None


def test_names_that_are_no_fields_are_refused(rows, context):
    for cls in factory.CLASSES:
        stored = cls.list(context)[0]
        for name in ("nonsense", "names", "Id", "table", "save", "old_state", "VERSION", "_x"):
            result = outcome(partial(cls, context, **{name: 1}))
            assert result[0] == "UnknownField"
            assert result[1].startswith(f"{cls.obj_name()} has no field {name}")
            if not name.startswith(("_", "VERSION")):
                assert outcome(partial(setattr, stored, name, 1))[0] == "UnknownField"


def test_a_deleted_row_takes_no_write(database, context, show_deleted_context):
    for cls in factory.CLASSES:
        obj = factory.stored(cls, context)
        with db.get_engine().connect() as connection:
            connection.execute(sa.update(cls.table).values(deleted=cls.table.c.id))
        before = stored_rows()
        missing = NOT_FOUND[cls.obj_name()][0].__name__
        other = cls.get(show_deleted_context, obj.id)
        field = next(n for n in ("name", "action_type", "status_message") if n in cls.fields)
        other[field] = "changed"
        for call in (obj.soft_delete, obj.refresh, other.save, partial(cls.get, context, obj.id)):
            assert outcome(call)[0] == missing
        assert outcome(other.create)[0] == "ObjectActionError"
        assert stored_rows() == before


def test_what_is_not_a_database_is_refused_and_the_old_one_stays(rows):
    assert wrong(db.configure, URLS) == []
    assert wrong(lambda given: db.configure("sqlite://", given), PROFILES) == []
    assert wrong(lambda given: db.configure("sqlite://", retry_for=given), RETRIES) == []
    for option in ({"creator": list}, {"isolation_level": "x"}, {"nonsense": 1}, {"poolclass": 5}):
        result = outcome(lambda option=option: db.configure("sqlite://", **option))
        assert result[0] == "InvalidParameter"


@pytest.mark.parametrize("shared_url", ["sqlite"], indirect=True)
def test_what_is_not_a_revision_moves_nothing(rows):
    at = migration.version()
    for name, move in MOVES.items():
        for given in REVISIONS:
            result = outcome(lambda move=move, given=given: move(given))
            assert (name, shown(given), result[0]) == (name, shown(given), "InvalidRevision")
    assert migration.version() == at


@pytest.mark.parametrize("manager", MANAGERS)
def test_what_is_not_a_state_leads_nowhere(manager):
    for state in manager.TRANSITIONS:
        for given in NO_STATES:
            assert manager.check_transition(state, given) is False
            assert manager.check_transition(given, state) is False
