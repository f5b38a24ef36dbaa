# SPDX-License-Identifier: Apache-2.0
"""What somebody who may write to the message broker can't do."""

import json
import logging
import signal
import tracemalloc
import uuid
from functools import cache

import pytest
from oslo_context.context import RequestContext

from tests import factory
from watcher_objects import (
    ActionPlan,
    Audit,
    Goal,
    Service,
    Transition,
    Worker,
    base,
    db,
    exception,
)
from watcher_objects.fields import json_limits
from watcher_objects.rpc import server, wire

CANARY = "canary-4711"
URL_SECRET = "secret-of-the-url"  # noqa: S105
#: What the answers say of text whose contents no bound allows.
N = 2**17


@pytest.fixture
def endpoint(sqlite):
    return server.Endpoint()


def answer_to(endpoint, verb, ctxt=None, **said):
    """The answer to a request."""
    token = {
        "token": str(uuid.uuid4()),
        "versions": wire.supported_versions(),
        "args": [],
        "kwargs": {},
    }
    return json.loads(getattr(endpoint, verb)(ctxt or {}, json.dumps({**token, **said})))


def of_object(endpoint, obj, method, changes=None, ctxt=None, **data):
    """The answer to a method of an object, some of whose data are not what they were."""
    primitive = obj._without_relations().obj_to_primitive()
    primitive["watcher_object.data"] |= data
    if changes is not None:
        primitive["watcher_object.changes"] = changes
    return answer_to(endpoint, "object_action", ctxt, object=primitive, method=method)


def of_class(endpoint, name, method, *args, ctxt=None, **kwargs):
    verb = "object_class_action_versions"
    said = {"class": name, "method": method, "args": args, "kwargs": kwargs}
    return answer_to(endpoint, verb, ctxt, **said)


def refusal(answer):
    return answer.get("error", {}).get("name")


# --- what may be called ---------------------------------------------------------------------


def test_only_remotable_methods_of_stored_classes_may_be_called():
    named = {cls.obj_name(): cls for cls in [*factory.CLASSES, Transition, Worker]}
    for name, method in server.methods():
        assert name in named
        assert method == "_obj_related" or getattr(named[name], method).remotable
    assert ("Audit", "create_many") not in server.methods()


@pytest.mark.parametrize(
    "method",
    [
        *("__init__", "__class__", "__reduce__", "__setattr__", "mro", "create_many", "obj_clone"),
        *("_get", "_bulk_update", "_get_if_referenced", "obj_load_attr", "obj_from_primitive"),
        *("create.__globals__", "original_fn", "", "save\0"),
    ],
)
def test_any_other_method_is_refused(endpoint, context, method):
    goal = factory.built(Goal, context)
    assert refusal(of_object(endpoint, goal, method)) == "InvalidMessage"
    assert refusal(of_class(endpoint, "Goal", method)) == "InvalidMessage"


def test_methods_of_objects_and_of_classes_are_not_taken_for_one_another(endpoint, context):
    assert refusal(of_class(endpoint, "Goal", "destroy")) == "InvalidMessage"
    assert refusal(of_object(endpoint, factory.built(Goal, context), "list")) == "InvalidMessage"


@pytest.mark.parametrize("kwargs", [{"self": 1}, {"cls": 1}, {"context": 1}, {"session": 1}])
def test_arguments_that_the_method_does_not_take_are_refused(endpoint, kwargs):
    assert refusal(of_class(endpoint, "Goal", "list", **kwargs)) == "InvalidMessage"


def test_a_request_that_is_not_text_or_lacks_a_value_is_refused(endpoint, context):
    for text in (None, 1, [], b"{}"):
        assert refusal(json.loads(endpoint.object_action({}, text))) == "InvalidMessage"
    primitive = Goal(context, name="nameless", efficacy_specification=[]).obj_to_primitive()
    answer = answer_to(endpoint, "object_action", object=primitive, method="create")
    assert refusal(answer) == "InvalidValue"


def test_a_class_is_looked_up_and_never_imported(endpoint, context):
    told_object = {**factory.built(Goal, context).obj_to_primitive()}
    for name in ("os", "watcher_objects.goal.Goal", "subprocess.Popen", "goal"):
        told_object["watcher_object.name"] = name
        answer = answer_to(endpoint, "object_backport_versions", object=told_object)
        assert refusal(answer) == "UnsupportedObjectError"


# --- what may be written --------------------------------------------------------------------


@pytest.mark.parametrize("field", ["id", "uuid", "created_at", "updated_at", "deleted_at"])
def test_what_only_the_database_writes_is_not_written_whatever_is_said_to_have_changed(
    endpoint, context, field
):
    goal = factory.stored(Goal, context)
    value = {"id": goal.id, "uuid": goal.uuid}.get(field, "2001-01-01T00:00:00Z")
    said = {field: value, "display_name": "changed"}
    answer = of_object(endpoint, goal, "save", [field, "display_name"], **said)
    assert refusal(answer) in ("ReadOnlyField", "InvalidPrimitive")
    assert of_object(endpoint, goal, "save", [], **said) != {}
    assert Goal.get(context, goal.id) == goal


@pytest.mark.parametrize(
    "field", ["deleted", "_context", "_stored", "VERSION", "table", "nothing"]
)
def test_what_is_not_a_field_is_not_written(endpoint, context, field):
    goal = factory.stored(Goal, context)
    of_object(endpoint, goal, "save", [field], **{field: 1})
    assert Goal.get(context, goal.id) == goal
    new = factory.built(Goal, context)
    of_object(endpoint, new, "create", [*new.obj_what_changed(), field], **{field: 1})
    assert not any(g.deleted_at for g in Goal.list(RequestContext(show_deleted=True)))


@pytest.mark.parametrize("claimed", ["PENDING", "ONGOING", "SUCCEEDED", "DELETED", None])
def test_the_row_decides_over_a_state_whatever_was_claimed(endpoint, context, claimed):
    audit = factory.stored(Audit, context)
    for new in ("SUCCEEDED", "SUSPENDED", "DELETED"):
        audit._stored = {"state": claimed}
        answer = of_object(endpoint, audit, "save", ["state"], state=new)
        assert refusal(answer) == "InvalidStateTransition"
    assert Audit.get(context, audit.id).state == "PENDING"


def test_text_for_a_document_is_json_and_nothing_else(endpoint, context):
    audit = factory.stored(Audit, context)
    for text in ("__import__('os').abort()", "!!python/object:os.system", "(dp0", "{'a': 1}"):
        answer = of_object(endpoint, audit, "save", ["parameters"], parameters=text)
        assert refusal(answer) == "InvalidValue"


# --- what may be seen -----------------------------------------------------------------------

SEES = {"show_deleted": True, "is_admin": True}


def test_what_is_deleted_is_seen_only_where_the_server_allows_it(endpoint, context):
    goal = factory.stored(Goal, context)
    goal.soft_delete()
    asked = [("get", goal.id), ("get_by_uuid", goal.uuid), ("get_by_name", goal.name)]
    for method, value in (*asked, ("_obj_related", goal.id)):
        assert refusal(of_class(endpoint, "Goal", method, value, ctxt=SEES)) == "GoalNotFound"
    for filters in ({}, {"deleted": True}, {"deleted__neq": 0}, {"deleted_at__neq": None}):
        found = of_class(endpoint, "Goal", "list", filters=filters, ctxt=SEES, marker=None)
        assert found == {"result": []}
    assert of_class(endpoint, "Goal", "list", marker=goal.uuid, ctxt=SEES) == {"result": []}
    assert refusal(of_object(endpoint, goal, "refresh", ctxt=SEES)) == "GoalNotFound"
    allowed = server.Endpoint(show_deleted=True)
    assert len(of_class(allowed, "Goal", "list", ctxt=SEES)["result"]) == 1
    assert of_class(allowed, "Goal", "list")["result"] == []


def test_what_is_deleted_is_seen_where_something_that_is_not_leads_to_it(endpoint, context):
    plan = factory.stored(ActionPlan, context)
    goal = plan.audit.goal
    audit = Audit.get(context, plan.audit_id)
    for state in ("ONGOING", "FAILED"):
        audit.state = state
        audit.save()
    audit.soft_delete()
    goal.soft_delete()
    for name, ident in (("Goal", goal.id), ("Audit", audit.id)):
        found = of_class(endpoint, name, "_obj_related", ident)["result"]
        assert found["watcher_object.data"]["id"] == ident
    for state in ("CANCELLED", "DELETED"):
        plan.state = state
        plan.save()
    assert refusal(of_class(endpoint, "Audit", "_obj_related", audit.id)) == "AuditNotFound"


# --- secrets --------------------------------------------------------------------------------


def test_no_token_is_carried(context):
    said = wire.encode_context(RequestContext(auth_token=CANARY, user_id="u", roles=["r"]))
    assert CANARY not in json.dumps(said)
    assert wire.decode_context({"auth_token": CANARY}, True).auth_token is None


def test_no_document_comes_back_in_a_refusal_or_is_logged(endpoint, context, caplog):
    caplog.set_level(logging.DEBUG)
    document = {"password": CANARY, "deep": [[CANARY]]}
    audit = factory.stored(Audit, context)
    same = factory.built(Audit, context, name=audit.name, parameters=document)
    with_document = {
        "parameters": document,
        "changes": ["hostname", "goal_id", "state", "parameters"],
    }
    answers = [
        of_object(endpoint, audit, "save", ["name"], name=document),
        of_object(endpoint, audit, "save", ["parameters"], parameters=f"{{{CANARY}"),
        of_object(endpoint, audit, "save", ["scope"], scope=document),
        of_object(endpoint, audit, "save", **with_document, hostname=CANARY * 200),
        of_object(endpoint, audit, "save", **with_document, goal_id=99),
        of_object(endpoint, audit, "save", **with_document, state="SUCCEEDED"),
        of_object(endpoint, audit, "soft_delete", ["parameters"], parameters=document),
        of_object(endpoint, same, "create"),
        of_class(endpoint, "Audit", "get", document),
        *(of_class(endpoint, "Audit", f"get_by_{k}", document) for k in ("id", "uuid", "name")),
        of_class(endpoint, "Audit", "list", filters=[document]),
        of_class(endpoint, "Audit", "list", filters={"name__in": [document]}),
        of_class(endpoint, "Audit", "list", sort_key=document, sort_dir=document),
        of_class(endpoint, "Audit", "list", marker=document, limit=document),
        of_class(endpoint, "ActionPlan", "supersede_expired", document),
        of_class(endpoint, "Goal", "_obj_related", document),
        answer_to(endpoint, "object_action", object=audit.obj_to_primitive(), method=document),
    ]
    for answer in answers:
        assert "error" in answer
        assert CANARY not in json.dumps(answer)
    assert CANARY not in caplog.text


def test_a_failure_of_the_server_shows_nothing_of_the_request(
    endpoint, context, monkeypatch, caplog
):
    def broken(value, *rest):
        raise RuntimeError(f"failed on {value}")

    monkeypatch.setattr(wire, "decode", broken)
    answer = of_object(endpoint, factory.built(Goal, context, display_name=CANARY), "create")
    assert refusal(answer) == "RemoteFailure"
    assert CANARY not in json.dumps(answer) + caplog.text
    assert "RuntimeError" in caplog.text


def test_no_url_is_in_a_refusal_or_a_line_of_health(tmp_path, caplog):
    db.configure(f"postgresql+psycopg://u:{URL_SECRET}@127.0.0.1:9/none", retry_for=0)
    try:
        answer = of_class(server.Endpoint(), "Goal", "list")
    finally:
        db.dispose()
    assert refusal(answer) == "DatabaseUnavailable"
    assert URL_SECRET not in json.dumps(answer) + caplog.text


def test_a_name_that_would_forge_a_line_of_the_log_is_refused(endpoint, context, caplog):
    primitive = factory.built(Goal, context).obj_to_primitive()
    primitive["watcher_object.name"] = "Goal\nERROR forged"
    answer = answer_to(endpoint, "object_backport_versions", object=primitive)
    assert refusal(answer) == "InvalidPrimitive"
    assert "forged" not in caplog.text


# --- time and memory ------------------------------------------------------------------------


@cache
def texts(n):
    """JSON, or what may be taken for it, of about so many characters, of the worst kinds."""
    distinct = [f"{number:05x}" for number in range(n // 14)]
    inner = {
        "text": f'"{"x" * n}"',
        "backslashes": '"' + "\\\\" * (n // 2) + '"',
        "escapes": '"' + "\\u1234" * (n // 6) + '"',
        "short texts": "[" + '"ab",' * (n // 5) + "1]",
        "numbers": "[" + "1.5," * (n // 4) + "1]",
        "lists": "[" + "[0], " * (n // 5) + "1]",
        "dicts": "[" + '{"a": 0}, ' * (n // 10) + "1]",
        "texts in dicts": "[" + ",".join(f'{{"{t[:2]}":"{t[2:]}"}}' for t in distinct) + "]",
        "keys": "{" + ",".join(f'"{t}":0' for t in distinct) + "}",
        "nested": "[" + ("[" * 90 + "]" * 90 + ",") * (n // 181) + "1]",
        "text in text": json.dumps(json.dumps("\\" * (n // 4))),
    }
    broken = {
        "brackets": "[" * n,
        "brackets closed": "][" * (n // 2),
        "quotes": '"' * n,
        "quotes escaped": '\\"' * (n // 2),
        "quotes and backslashes": '"\\' * (n // 2),
        "commas": "," * n,
        "digits": "1" * n,
        "spaces": " " * n,
        "lines of an open text": '"' + "\n" * n,
    }
    return {kind: f'{{"a": {text}}}' for kind, text in inner.items()} | broken


KINDS = [*texts(99)]


def read(text):
    try:
        return wire.read_request(text)
    except exception.InvalidMessage as error:
        return error


@pytest.fixture
def ten_seconds():
    """Fail a test that takes ten seconds of the processor."""
    before = signal.signal(signal.SIGVTALRM, lambda *_: pytest.fail("ten seconds have passed"))
    signal.setitimer(signal.ITIMER_VIRTUAL, 10)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize("kind", KINDS)
def test_reading_takes_at_most_twenty_times_the_memory_of_the_text(kind):
    for n in (N, 4 * N):
        text = texts(n)[kind]
        tracemalloc.start()
        kept = read(text)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak <= json_limits.GROWTH * len(text) + 2 * json_limits.FREE, kept


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("ten_seconds")
def test_reading_takes_time_in_proportion_to_the_text(kind):
    """What is quadratic would take minutes, not a tenth of a second."""
    for n in (4 * N, 16 * N):
        read(texts(n)[kind])


def test_a_request_has_room_for_an_object_of_two_documents(endpoint, context):
    items = [{"name": f"host-{number}", "cpu": number / 7} for number in range(39_000)]
    deep = json.loads("[" * 98 + "]" * 98)
    filler = "x" * (json_limits.MAX_DOCUMENT - len(json.dumps([*items, deep, ""])))
    scope = [*items, deep, filler]
    assert len(json.dumps(scope)) == json_limits.MAX_DOCUMENT
    audit = factory.built(Audit, context, scope=scope, parameters={"a": filler[:50], "b": items})
    answer = of_object(endpoint, audit, "create")
    assert refusal(answer) is None
    assert Audit.get_by_name(context, audit.name).scope == scope


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[" * 101 + "]" * 101, "levels"),
        ("[" + "{}," * 200_000 + "1]", "items"),
        ('["' + "x" * json_limits.MAX_DOCUMENT + '"]', "longer"),
    ],
)
def test_text_of_a_document_is_held_to_the_bounds_of_one(context, text, expected):
    primitive = Audit(context, scope=[]).obj_to_primitive()
    primitive["watcher_object.data"]["scope"] = text
    with pytest.raises(exception.InvalidValue, match=expected):
        base.WatcherObjectSerializer().deserialize_entity(context, primitive)


def test_a_collection_that_is_too_deep_is_refused(context):
    deep = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(exception.InvalidPrimitive, match="levels"):
        base.WatcherObjectSerializer().deserialize_entity(context, deep)


@pytest.mark.parametrize("method", ["save", "soft_delete", "destroy", "refresh"])
def test_an_id_that_no_row_can_have_is_not_found(endpoint, context, method):
    service = factory.stored(Service, context)
    answer = of_object(endpoint, service, method, ["host"], id=10**30, host="other")
    assert refusal(answer) == "ServiceNotFound"


def test_an_unknown_version_of_a_related_object_is_rejected(endpoint, context):
    audit = factory.stored(Audit, context)
    asked = {**wire.supported_versions(), "Goal": "0.9"}
    said = {"class": "Audit", "method": "get", "args": [audit.id], "kwargs": {"eager": True}}
    answer = answer_to(endpoint, "object_class_action_versions", **said, versions=asked)
    assert refusal(answer) == "InvalidTargetVersion"
