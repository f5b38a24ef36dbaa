# SPDX-License-Identifier: Apache-2.0
"""Every object speaks every version of itself."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oslo_versionedobjects import exception as ovo_exception

from tests import factory, fingerprints, stubs
from tests.generated import BY_NAME, KNOWN, context, fields_at, objects
from watcher_objects import (
    Action,
    ActionDescription,
    ActionPlan,
    Audit,
    AuditTemplate,
    Goal,
    Worker,
    base,
    exception,
    versions,
)

UUID = "a7bb6f0c-0e0b-4a4d-a3c3-3c8a0f2cfb5f"
ALL = [(cls, version) for cls in factory.CLASSES for version in cls.history]
every_version = pytest.mark.parametrize(
    ("cls", "version"), ALL, ids=[f"{cls.obj_name()}-{version}" for cls, version in ALL]
)
#: Each version of each class is tried with so many objects.
few = settings(max_examples=10)
serializer = base.WatcherObjectSerializer()


@pytest.fixture
def pinned():
    """What pins the release that is sent at, until the test is over."""
    yield versions.pin
    versions.pin(None)


def sent(obj, version=None):
    """The primitive of an object as it comes out of a message."""
    return json.loads(json.dumps(obj.obj_to_primitive(version)))


def data_of(primitive):
    return primitive["watcher_object.data"]


def primitive(cls, version, **data):
    named = {"name": cls.obj_name(), "namespace": "watcher", "version": version, "data": data}
    return {f"watcher_object.{key}": value for key, value in named.items()}


def read(cls, version, **data):
    return cls.obj_from_primitive(primitive(cls, version, **data), context)


# --- versions are data ----------------------------------------------------------------------


@pytest.mark.parametrize("cls", factory.CLASSES, ids=lambda cls: cls.__name__)
def test_a_history_ends_in_the_class_and_leaves_no_version_out(cls):
    steps = [tuple(map(int, version.split("."))) for version in cls.history]
    assert next(iter(cls.history)) == "1.0"
    assert [*cls.history][-1] == cls.VERSION
    for before, after in itertools.pairwise(steps):
        assert after in ((before[0], before[1] + 1), (before[0] + 1, 0))
    assert set(cls.history) >= KNOWN["fields"].get(cls.obj_name(), {}).keys()


def test_each_release_has_the_versions_that_it_had():
    *before, newest = KNOWN["releases"]
    assert {release: versions.manifest(release) for release in before} == {
        release: KNOWN["releases"][release] for release in before
    }
    # This library's own may have later versions.
    for name, version in KNOWN["releases"][newest].items():
        known = [*BY_NAME[name].history]
        assert known.index(version) <= known.index(versions.manifest(newest)[name])


def test_the_newest_release_has_the_classes_as_they_are():
    newest = versions.manifest([*versions.RELEASES][-1])
    assert newest == {cls.obj_name(): cls.VERSION for cls in (*stubs.CLASSES, Worker)}


@pytest.mark.parametrize("cls", factory.CLASSES, ids=lambda cls: cls.__name__)
def test_no_release_leaves_a_version_out(cls):
    """But for 1.0, which was before the first of them where there is a later one in it."""
    in_releases = {versions.manifest(name).get(cls.obj_name()) for name in versions.RELEASES}
    first = versions.manifest(next(iter(versions.RELEASES))).get(cls.obj_name(), "1.0")
    behind = [*cls.history][[*cls.history].index(first) :]
    assert set(behind) == in_releases - {None}


# --- older versions are written -------------------------------------------------------------


@every_version
@few
@given(data=st.data())
def test_a_filled_object_is_serialized_with_the_fields_of_each_version(cls, version, data):
    obj = data.draw(objects(cls))
    serialized = sent(obj, version)
    assert serialized["watcher_object.version"] == version
    assert data_of(serialized).keys() == fields_at(cls, version)
    for name, (related, _) in cls.object_fields.items():
        if name in data_of(serialized):
            expected = versions.manifest_of(cls.obj_name(), version)[related.obj_name()]
            nested = data_of(serialized)[name]
            assert nested["watcher_object.version"] == expected
            assert data_of(nested).keys() == fields_at(related, expected)


@every_version
@few
@given(data=st.data())
def test_an_object_with_some_fields_is_serialized_with_those(cls, version, data):
    obj = data.draw(objects(cls, filled=False))
    serialized = data_of(sent(obj, version))
    gone = fields_at(cls, version) - cls.fields.keys()
    assert serialized.keys() - gone == set(obj) & fields_at(cls, version)


@every_version
@few
@given(data=st.data())
def test_there_and_back_and_there_again_is_the_same(cls, version, data):
    obj = data.draw(objects(cls))
    old = sent(obj, version)
    assert sent(cls.obj_from_primitive(old, context), version) == old


def test_what_a_field_said_that_is_gone_is_given_back_to_those_who_know_it():
    action = read(Action, "1.1", id=1, uuid=UUID, next=7)
    assert "next" not in data_of(sent(action))
    assert data_of(sent(action, "1.1"))["next"] == 7
    assert data_of(sent(action.obj_clone(), "1.0"))["next"] == 7
    assert data_of(sent(Action(context, id=2), "1.1"))["next"] is None


def test_a_cron_expression_has_no_older_form():
    audit = Audit(context, interval="*/5 * * * *")
    with pytest.raises(exception.NoOlderForm, match=r"interval of Audit in version 1.2: .*cron"):
        audit.obj_to_primitive("1.2")
    plan = ActionPlan(context, id=1, audit=audit_with_id(audit))
    with pytest.raises(exception.NoOlderForm, match="interval of Audit in"):
        plan.obj_to_primitive("1.1")
    assert "audit" not in data_of(plan.obj_to_primitive("1.0"))


def audit_with_id(audit):
    audit.id = 1
    return audit


def test_several_indicators_have_no_older_form():
    plan = ActionPlan(context, global_efficacy=[{"a": 1}, {"b": 2}])
    with pytest.raises(exception.NoOlderForm, match="global_efficacy"):
        plan.obj_to_primitive("2.0")
    plan.global_efficacy = [{"a": 1}]
    assert data_of(plan.obj_to_primitive("2.0")) == {"global_efficacy": {"a": 1}}


# --- older versions are read ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "version", "filled"),
    [
        (Audit, "1.0", {"auto_trigger": False, "next_run_time": None, "name": UUID}),
        (Audit, "1.3", {"hostname": None, "start_time": None, "end_time": None, "name": UUID}),
        (Audit, "1.6", {"force": False, "status_message": None}),
        (AuditTemplate, "1.1", {"default_parameters": None}),
        (ActionPlan, "2.1", {"hostname": None, "status_message": None}),
        (Action, "1.1", {"parents": [], "status_message": None}),
    ],
    ids=lambda value: getattr(value, "__name__", str(value))[:20],
)
def test_what_an_older_version_did_not_know_has_its_default(cls, version, filled):
    obj = read(cls, version, id=1, uuid=UUID)
    coerced = {name: cls.fields[name].coerce(obj, name, value) for name, value in filled.items()}
    assert {name: obj[name] for name in filled} == coerced
    assert obj.VERSION == cls.VERSION
    assert obj.obj_what_changed() == set()
    assert not any(obj.obj_attr_is_set(name) for name in cls.object_fields)


def test_a_type_that_changed_is_read_as_it_is_now():
    assert read(Audit, "1.2", interval=3600).interval == "3600"
    assert read(Audit, "1.2", interval=None).interval is None
    assert read(ActionPlan, "2.0", global_efficacy={"a": 1}).global_efficacy == [{"a": 1}]
    assert read(ActionPlan, "2.0", global_efficacy={}).global_efficacy == []
    with pytest.raises(exception.InvalidValue, match="interval takes a whole number"):
        read(Audit, "1.2", interval=["soon"])


def test_a_new_object_of_an_older_sender_is_stored_with_the_defaults(sqlite, context):
    goal = factory.stored(Goal, context)
    serialized = primitive(Audit, "1.0", audit_type="ONESHOT", goal_id=goal.id, uuid=UUID)
    serialized["watcher_object.changes"] = ["audit_type", "goal_id", "uuid"]
    Audit.obj_from_primitive(serialized, context).create()
    stored = Audit.get(context, UUID)
    assert (stored.name, stored.auto_trigger, stored.force) == (UUID, False, False)


def test_what_was_filled_in_is_not_written_into_a_stored_row(sqlite, context):
    audit = factory.stored(Audit, context, status_message="kept")
    old = Audit.obj_from_primitive(audit.obj_to_primitive("1.3"), context)
    assert old.status_message is None
    old.scope = [{"changed": True}]
    old.save()
    assert (old.name, old.status_message, old.scope) == (audit.name, "kept", [{"changed": True}])


@pytest.mark.parametrize("cls", factory.CLASSES, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("version", ["9.9", "0.1", "1.x", ""])
def test_a_version_that_is_not_known_here_is_refused_with_those_that_are(cls, version):
    with pytest.raises(ovo_exception.IncompatibleObjectVersion) as caught:
        read(cls, version, id=1)
    assert caught.value.kwargs["supported"] == ", ".join(cls.history)


@pytest.mark.parametrize(
    "broken",
    [
        {**primitive(Goal, "1.0"), "watcher_object.data": []},
        {**primitive(Goal, "1.0"), "watcher_object.version": ["1.0"]},
        {**primitive(Goal, "1.0"), "watcher_object.changes": {"a": 1}},
        {**primitive(Goal, "1.0"), "watcher_object.changes": [[]]},
        primitive(Audit, "1.8", goal=3),
    ],
)
def test_what_is_not_a_primitive_is_refused(broken):
    with pytest.raises(exception.Invalid):
        base.WatcherObject.obj_from_primitive(broken, context)


# --- pins -----------------------------------------------------------------------------------


@pytest.mark.parametrize("release", versions.RELEASES)
@few
@given(data=st.data())
def test_objects_are_sent_as_a_release_had_them(release, data):
    manifest = versions.manifest(release)
    cls = BY_NAME[data.draw(st.sampled_from(sorted(manifest.keys() & BY_NAME.keys())))]
    obj = data.draw(objects(cls))
    versions.pin(release)
    try:
        (serialized,) = serializer.serialize_entity(context, {"result": [obj]})["result"]
    finally:
        versions.pin(None)
    assert serialized["watcher_object.version"] == manifest[cls.obj_name()]
    assert serialized == obj.obj_to_primitive(manifest[cls.obj_name()], manifest)
    assert serializer.serialize_entity(context, obj)["watcher_object.version"] == cls.VERSION


def test_what_a_pinned_release_cannot_represent_is_rejected(pinned):
    pinned("ocata")
    assert versions.pinned() == "ocata"
    with pytest.raises(exception.NoOlderForm, match=r"version 1.2"):
        serializer.serialize_entity(context, Audit(context, interval="@daily"))
    with pytest.raises(exception.UnsupportedError, match=r"no ActionDescription in .* ocata"):
        serializer.serialize_entity(context, ActionDescription(context))


def test_an_unknown_release_is_rejected(pinned):
    with pytest.raises(exception.InvalidParameter, match=r"release must be one of .*2026.2"):
        pinned("2026.9")
    assert versions.pinned() is None


# --- fingerprints ---------------------------------------------------------------------------


def test_the_fingerprints_are_those_that_were_written_down():
    assert fingerprints.found() == fingerprints.known()


def test_a_fingerprint_that_changes_without_its_version_is_refused():
    known = {"Goal": "1.0-aa", "Audit": "1.8-bb", "Strategy": "1.1-cc"}
    changed = {"Goal": "1.0-ab", "Audit": "1.9-bc", "Strategy": "1.1-cc", "Action": "1.0-dd"}
    assert fingerprints.refused(known, changed) == ["Goal"]
