# SPDX-License-Identifier: Apache-2.0
"""Objects whose methods run on a server: what differs from the same calls here, and what not."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from oslo_utils import uuidutils

from tests import factory, messaging
from tests.messaging import request
from watcher_objects import Audit, Goal, Transition, exception, rpc, versions
from watcher_objects.db import models, requests, transactions
from watcher_objects.rpc import server, wire


@pytest.fixture
def remote(sqlite):
    """A server in this process, with the message bus that needs no broker, and this its client."""
    with messaging.serving("fake://"):
        rpc.enable("fake://", topic=messaging.TOPIC, timeout=10)
        yield
        rpc.disable()


@pytest.fixture
def endpoint(database):
    """What answers requests, without a message bus."""
    return server.Endpoint()


def rows(table=models.audits):
    return transactions.execute(sa.select(table)).rows


# --- the same as here -----------------------------------------------------------------------


def test_a_refusal_has_its_attributes_and_leaves_the_object_as_it_was(remote, context):
    audit = factory.stored(Audit, context, parameters={"a": 1})
    audit.state, audit.parameters["a"] = "SUCCEEDED", 2
    with pytest.raises(exception.InvalidStateTransition) as caught:
        audit.save()
    error = caught.value
    assert (error.initial, error.new, error.code) == ("PENDING", "SUCCEEDED", 409)
    assert error.allowed == ("CANCELLED", "ONGOING")
    assert audit.obj_what_changed() == {"state", "parameters"}
    assert audit.old_state is None


def test_a_request_for_an_equal_state_travels_and_stays_until_it_is_granted(remote, context):
    audit = factory.stored(Audit, context, state="ONGOING")
    other = Audit.get(context, audit.id)
    audit.state = "ONGOING"
    with pytest.raises(exception.InvalidStateTransition, match="from ONGOING to"):
        audit.save()
    assert audit.obj_what_changed() == {"state"}
    other.state = "SUSPENDED"
    other.save()
    audit.save()
    assert (audit.old_state, audit.obj_what_changed()) == ("SUSPENDED", set())
    audit.save()
    audit.state = "ONGOING"
    audit.refresh()
    assert audit.obj_what_changed() == set()


def test_a_client_may_have_the_profile_of_its_servers(remote, context):
    audit = factory.stored(Audit, context)
    audit.state = "PENDING"
    for profile, changed in (("watcher", set()), ("strict", {"state"}), (None, {"state"})):
        rpc.enable("fake://", topic=messaging.TOPIC, transitions=profile)
        assert audit.obj_what_changed() == changed
    with pytest.raises(exception.InvalidParameter, match="strict or watcher"):
        rpc.enable("fake://", transitions="lax")
    assert audit.obj_what_changed() == {"state"}


def test_related_objects_stay_the_callers_own_and_are_loaded_when_asked_for(remote, context):
    goal = factory.stored(Goal, context)
    audit = factory.stored(Audit, context, goal_id=goal.id)
    assert audit.goal == goal
    audit.goal = goal
    audit.save()
    assert audit.goal is goal
    strategy = audit.strategy
    strategy.soft_delete()
    assert Audit.get(context, audit.id).strategy.deleted_at is not None
    assert Audit.get(context, audit.id, eager=True).obj_attr_is_set("goal")


def test_a_write_is_published_once_on_the_server(remote, context, published):
    audit = factory.stored(Audit, context)
    published.clear()
    audit.state = "ONGOING"
    audit.save()
    (event,) = published
    assert (event.kind, event.old_state, event.obj) == ("update", "PENDING", audit)
    assert event.context.request_id == context.request_id


def test_what_can_not_be_stored_or_called_is_refused_before_it_is_sent(remote, context):
    audit = factory.stored(Audit, context)
    audit.parameters = {"a": (1, 2)}
    with pytest.raises(exception.InvalidValue, match="parameters"):
        audit.save()
    with pytest.raises(exception.InvalidParameter, match="not bytes"):
        Audit.list(context, filters={"name": b"a"})
    with pytest.raises(TypeError, match="audit_id"):
        Audit.get(context)
    with pytest.raises(exception.InvalidParameter, match="context"):
        Audit.list(None)


#: Makes a process unable to import the driver of any database.
NO_DRIVER = """
import sys, warnings
warnings.simplefilter("ignore")
class NoDriver:
    def find_spec(self, name, *rest):
        if name.split(".")[0] in ("sqlite3", "_sqlite3", "psycopg", "pymysql", "MySQLdb"):
            raise ImportError(name)
sys.meta_path.insert(0, NoDriver())
"""
DATABASE_FREE = (
    NO_DRIVER
    + """\
from oslo_context.context import RequestContext
from watcher_objects import Audit, rpc
rpc.enable(sys.argv[1], topic=sys.argv[2], timeout=20)
context = RequestContext()
(audit,) = Audit.list(context, filters={"goal_name": "far"})
audit.state = "ONGOING"
audit.save()
print(audit.state, audit.old_state, audit.goal.name)
rpc.disable()
"""
)


def run_client(code, *args):
    """Run a program with the URL of the broker and the topic as its arguments."""
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code, messaging.RABBITMQ, messaging.TOPIC, *args],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_process_without_any_driver_uses_the_objects(sqlite, context):
    goal = factory.stored(Goal, context, name="far")
    audit = factory.stored(Audit, context, goal_id=goal.id)
    with messaging.serving(messaging.broker()):
        ran = run_client(DATABASE_FREE)
    assert (ran.stdout, ran.returncode) == ("ONGOING PENDING far\n", 0), ran.stderr
    audit.refresh()
    assert audit.state == "ONGOING"


# --- what is lost on the way ----------------------------------------------------------------


def test_an_answer_that_never_comes_leaves_the_outcome_unknown(context):
    rpc.enable("fake://", topic="nobody", timeout=0.2)
    try:
        with pytest.raises(exception.ReplyTimeout, match="its outcome is unknown"):
            Audit(context, name="a").create()
        with pytest.raises(TimeoutError):
            Audit.list(context)
    finally:
        rpc.disable()


@pytest.mark.parametrize("place", ["127.0.0.1:1", "127.0.0.1:5672"])
def test_a_broker_that_refuses_the_account_is_reported_without_the_password(context, place):
    rpc.enable(f"rabbit://guest:canary@{place}/", timeout=5)
    try:
        with pytest.raises(exception.ServerUnavailable) as caught:
            Audit.list(context)
    finally:
        rpc.disable()
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "given"),
        ("nonsense", "parsed"),
        ("rabbit://a:canary@b:c/", "parsed"),
        ("rabbit://a:can/ary@b/", "parsed"),
        ("rabbit://a:canary@b:99999/", "a port"),
        ("rabbit://a:canary%2F@b/", "password with a /"),
        ("rabbit://a:canary@b/vhost%23", "virtual host"),
        ("rabbit://a:canary@b/?nothing=1", "nothing is not an option"),
        ("rabbit://a:canary@b/?ssl=maybe", "value of ssl"),
        ("rabbit://a:canary@b/?ssl=1&ssl_ca_file=/nowhere", "ssl_ca_file"),
        ("kafka://a:canary@b:9092", "not kafka"),
        ("amqp1://a:canary@b", "not amqp1"),
        ("kombu+redis://:canary@b/0", "not kombu.redis"),
    ],
)
def test_a_transport_that_can_not_be_used_is_refused_with_the_reason(url, why):
    with pytest.raises(exception.InvalidParameter, match=why) as caught:
        rpc.enable(url)
    assert "canary" not in f"{caught.value} {caught.value.__context__}"


def test_a_transport_of_a_deployment_is_accepted():
    for url in (
        "rabbit://b",
        "rabbit://openstack:se%40cr%3Aet@192.0.2.1:5672,openstack:b@[2001:db8::1]:5672//",
        "rabbit://u:p@b:5671/nova_cell1?ssl=1&amqp_durable_queues=true",
        "kombu+amqp://u:p@b",
        "kombu+memory://",
        "fake:/",
    ):
        rpc.enable(url)
        rpc.disable()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"nothing": 1}, "nothing"),
        ({"ssl": "maybe"}, "ssl"),
        ({"use_queue_manager": True}, "lock_path"),
        ({"rpc_conn_pool_size": 1}, "conn_pool_min_size"),
        (["ssl"], "mapping"),
    ],
)
def test_options_that_can_not_be_used_are_named(options, why):
    with pytest.raises(exception.Invalid, match=why):
        rpc.enable("rabbit://a:b@c/", options=options)


def test_a_call_works_within_a_process_over_kombu(sqlite, context):
    with messaging.serving("kombu+memory://"):
        rpc.enable("kombu+memory://", topic=messaging.TOPIC, timeout=10)
        assert Goal.list(context) == []
        rpc.disable()


def test_a_create_that_comes_again_does_not_happen_twice(endpoint, context, published):
    goal = factory.stored(Goal, context)
    audit = Audit(context, name="once", audit_type="ONESHOT", goal_id=goal.id)
    asked = request("create", audit)
    first = endpoint.object_action({}, asked)
    again = server.Endpoint().object_action({}, asked)  # perhaps on another host
    assert first == again
    assert json.loads(first)["object"]["watcher_object.data"]["name"] == "once"
    assert len(rows()) == 1
    assert [event.kind for event in published if event.resource == "audit"] == ["create"]


def test_a_change_of_state_that_comes_again_is_answered_as_before(endpoint, context, published):
    audit = factory.stored(Audit, context)
    audit.state = "ONGOING"
    asked = request("save", audit)
    first = endpoint.object_action({}, asked)
    assert json.loads(first)["old_state"] == "PENDING"
    audit.refresh()
    audit.state = "SUSPENDED"
    audit.save()
    assert endpoint.object_action({}, asked) == first
    assert rows()[0].state == "SUSPENDED"
    assert len([event for event in published if event.kind == "update"]) == 2


def test_a_refusal_that_is_asked_for_again_stays_one(endpoint, context):
    audit = factory.stored(Audit, context)
    audit.state = "SUCCEEDED"
    asked = request("save", audit)
    first = endpoint.object_action({}, asked)
    assert json.loads(first)["error"]["name"] == "InvalidStateTransition"
    audit.refresh()
    audit.state = "ONGOING"
    audit.save()
    assert endpoint.object_action({}, asked) == first
    assert rows()[0].state == "ONGOING"


def test_another_request_with_the_same_token_is_another(endpoint, context):
    token = uuidutils.generate_uuid()
    for name in ("one", "two"):
        made = factory.built(Goal, context, name=name)
        answer = json.loads(endpoint.object_action({}, request("create", made, token=token)))
        assert answer["object"]["watcher_object.data"]["name"] == name


def test_of_the_same_request_at_once_one_happens(endpoint, context):
    goal = factory.stored(Goal, context)
    audit = Audit(context, name="once", audit_type="ONESHOT", goal_id=goal.id)
    asked = request("create", audit)
    together = threading.Barrier(4)

    def ask(number):
        together.wait()
        return endpoint.object_action({}, asked)

    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(ask, range(4)))
    assert len(answers) == 1
    assert len(rows()) == 1


def test_what_was_answered_long_ago_is_forgotten(endpoint, context):
    endpoint.object_action({}, request("create", factory.built(Goal, context)))
    assert requests.expire(60) == 0
    assert requests.expire(-1) == 1
    assert rows(models.rpc_requests) == []


# --- what may be asked for ------------------------------------------------------------------


# --- versions -------------------------------------------------------------------------------

#: Turns the classes of a program into those of an older release.
OLDER = """
import sys, warnings
warnings.simplefilter("ignore")
from oslo_context.context import RequestContext
from watcher_objects import Audit, Goal, db, rpc, versions
from watcher_objects.rpc import listener, transport, wire
def become(release):
    for name, version in versions.manifest(release).items():
        cls = wire.classes()[name]
        known = list(cls.history)
        for later in known[known.index(version) + 1:]:
            for change in cls.history[later]:
                cls.fields.pop(change.field, None)
        cls.history = {v: cls.history[v] for v in known[: known.index(version) + 1]}
        cls.VERSION = version
become("2025.1")
# There was no journal.
known = wire.classes
wire.classes = lambda: {n: c for n, c in known().items() if n != "Transition"}
context = RequestContext()
"""

CLIENT = (
    OLDER
    + """
rpc.enable(sys.argv[1], topic=sys.argv[2], timeout=20)
(audit,) = Audit.list(context, eager=True)
assert (audit.VERSION, "status_message" in audit.fields) == ("1.7", False)
audit.state = "ONGOING"
audit.save()
assert (audit.VERSION, audit.goal.VERSION, audit.old_state) == ("1.7", "1.0", "PENDING")
Audit(context, name="older", audit_type="ONESHOT", goal_id=audit.goal_id).create()
print("done")
rpc.disable()
"""
)

SERVER = (
    OLDER
    + """
db.configure(sys.argv[3])
bus = transport.create(sys.argv[1], transport.configuration())
running = listener.Server(bus, sys.argv[2])
running.start()
print("ready", flush=True)
sys.stdin.read()
running.stop()
"""
)


def test_a_client_of_an_older_release_gets_what_it_knows(sqlite, context):
    audit = factory.stored(Audit, context, status_message="newer")
    with messaging.serving(messaging.broker()):
        ran = run_client(CLIENT)
    assert (ran.stdout, ran.returncode) == ("done\n", 0), ran.stderr
    audit.refresh()
    assert (audit.state, audit.status_message) == ("ONGOING", "newer")
    assert Audit.get_by_name(context, "older").force is False


def test_a_server_of_an_older_release_is_spoken_to_as_it_knows(sqlite, sqlite_url, context):
    audit = factory.stored(Audit, context, status_message="kept")
    arguments = [messaging.broker(), messaging.TOPIC, sqlite_url]
    older = subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", SERVER, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert older.stdout.readline() == "ready\n"
    rpc.enable(messaging.RABBITMQ, topic=messaging.TOPIC, timeout=20)
    try:
        far = Audit.get(context, audit.id)
        assert (far.VERSION, far.status_message) == (Audit.VERSION, None)
        far.state = "ONGOING"
        far.save()
        assert (far.VERSION, far.old_state, far.goal.VERSION) == (Audit.VERSION, "PENDING", "1.0")
        with pytest.raises(exception.UnsupportedError, match=r"support Transition\.list; upgrade"):
            Transition.of(context, far)
    finally:
        rpc.disable()
        older.communicate(timeout=30)
    audit.refresh()
    assert (audit.state, audit.status_message) == ("ONGOING", "kept")


def test_a_pinned_client_sends_nothing_that_the_release_cannot_represent(remote, context):
    audit = factory.stored(Audit, context, interval="* * * * *")
    rpc.enable("fake://", topic=messaging.TOPIC, timeout=10, release="ocata")
    audit.hostname = "said"
    try:
        with pytest.raises(exception.NoOlderForm, match="interval"):
            audit.save()
        assert audit.obj_what_changed() == {"hostname"}
    finally:
        versions.pin(None)
    assert Audit.get(context, audit.id).hostname != "said"


def test_a_primitive_of_a_newer_release_is_made_an_older_one_by_the_server(endpoint, context):
    audit = factory.stored(Audit, context)
    asked = {**wire.supported_versions(), "Audit": "1.5"}
    found = {"object": audit.obj_to_primitive(), "versions": asked, "token": ""}
    answer = json.loads(endpoint.object_backport_versions({}, json.dumps(found)))
    assert answer["object"]["watcher_object.version"] == "1.5"
