# SPDX-License-Identifier: Apache-2.0
"""What callers find in ``base`` and ``fields`` in addition to the objects."""

import pytest
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from tests import factory
from watcher_objects import Goal, base, exception, fields

ENUMS = {
    fields.NotificationPriorityField: ("debug", "info", "warning", "error", "critical"),
    fields.NotificationPhaseField: ("start", "end", "error"),
    fields.NotificationActionField: (
        *("create", "update", "exception", "delete"),
        *("strategy", "planner", "execution", "cancel"),
    ),
}


@pytest.fixture
def registry(monkeypatch):
    """The registry, as it was before when the test is over."""
    known = dict(base.WatcherObjectRegistry.obj_classes())
    monkeypatch.setattr(base.WatcherObjectRegistry, "notification_classes", [])
    yield base.WatcherObjectRegistry
    classes = ovo.VersionedObjectRegistry.obj_classes()
    for name in classes.keys() - known.keys():
        del classes[name]


def payload():
    class Payload(base.WatcherObject):
        VERSION = "1.0"
        fields = {"word": fields.StringField()}

    return Payload


def test_a_class_of_notifications_is_registered_only_on_demand(registry):
    cls = registry.register_notification(payload())
    assert "Payload" not in registry.obj_classes()
    assert cls(word="spoken").word == "spoken"
    registry.register_notification_objects()
    assert registry.obj_classes()["Payload"] == [cls]


def test_an_object_that_is_not_stored_may_have_attributes_of_its_own(registry):
    obj = registry.register_if(False)(payload())(word="a")
    obj.source = "elsewhere"
    assert obj.source == "elsewhere"
    assert obj.as_dict() == {"word": "a"}


@pytest.mark.parametrize("condition", [True, False])
def test_a_class_is_registered_if_a_condition_holds(registry, condition):
    registry.register_if(condition)(payload())
    assert ("Payload" in registry.obj_classes()) is condition


def test_the_highest_version_is_the_one_that_primitives_of_no_version_mean(registry):
    old, new = payload(), payload()
    new.VERSION = "1.1"
    for cls in (old, new):
        registry.register(cls)
    assert registry.obj_classes()["Payload"] == [new, old]


def test_comparable_objects_are_equal_by_their_fields(registry):
    @registry.register_if(False)
    class Word(base.WatcherObject, base.WatcherComparableObject):
        fields = {"word": fields.StringField()}

    assert Word(word="a") == Word(word="a")
    assert Word(word="a") != Word(word="b")


def test_the_serializer_sends_objects_as_primitives(sqlite, context):
    goal = factory.stored(Goal, context)
    serializer = base.WatcherObjectSerializer()
    sent = serializer.serialize_entity(context, goal)
    assert sent["watcher_object.namespace"] == "watcher"
    assert serializer.deserialize_entity(context, sent) == goal
    assert serializer.OBJ_BASE_CLASS is base.WatcherObject


def test_a_value_is_kept_where_get_attrname_says(context):
    assert getattr(Goal(context, name="a"), base.get_attrname("name")) == "a"


def test_obj_refresh_makes_an_object_what_another_of_its_row_is(sqlite, context):
    goal = factory.stored(Goal, context)
    other = Goal.get(context, goal.id)
    other.display_name = "changed"
    other.save()
    goal.name = "never saved"
    goal.obj_refresh(other)
    assert goal == other
    assert goal.obj_what_changed() == set()


@pytest.mark.parametrize("field", ENUMS)
def test_notification_words_are_those_of_watcher(field):
    assert field().valid_values == ENUMS[field]
    for word in ENUMS[field]:
        assert field().coerce(None, "word", word) == word
    for wrong in ("other", None, [[]], 5):
        with pytest.raises(exception.InvalidValue, match="word"):
            field().coerce(None, "word", wrong)


UUID = "0f2f1ea1-4d8b-4a38-8c38-4f3b6e4d7ca9"


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        (fields.ListOfUUIDsField(), [UUID.upper()], [UUID]),
        (fields.JsonField(), '{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
        (fields.JsonField(), [1], [1]),
        (fields.DictField(nullable=True), None, None),
    ],
)
def test_what_a_field_takes_survives_a_primitive(field, value, kept):
    assert field.coerce(None, "here", value) == kept
    if kept is not None:
        sent = field.to_primitive(None, "here", kept)
        assert field.from_primitive(None, "here", sent) == kept


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (fields.ListOfUUIDsField(), ["a"]),
        (fields.JsonField(), "{"),
        (fields.JsonField(), object()),
        (fields.JsonField(), {1: 2}),
        (fields.JsonField(), float("nan")),
        (fields.ListOfUUIDsField(), "[null]"),
        (fields.ObjectField("Goal"), None),
    ],
)
def test_what_a_field_can_not_take_is_refused_by_name(field, value):
    with pytest.raises(exception.InvalidValue, match="here"):
        field.coerce(None, "here", value)


def test_a_type_keeps_the_name_by_which_fingerprints_know_it():
    for field, theirs in (
        (fields.DictField, ovo_fields.Dict),
        (fields.ListOfUUIDsField, ovo_fields.List),
        (fields.ListOfStringsField, ovo_fields.List),
    ):
        assert repr(field()).startswith(f"{theirs.__name__}(")
