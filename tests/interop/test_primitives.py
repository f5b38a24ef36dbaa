# SPDX-License-Identifier: Apache-2.0
"""Objects that go from our classes to Watcher's own, in a process of their own, and back."""

import json

import pytest
from hypothesis import HealthCheck, assume, given, settings

from tests import factory, generated
from tests.interop import process
from watcher_objects import Action, base

ECHO = """
from watcher.objects import base
for line in sys.stdin:
    read = base.WatcherObject.obj_from_primitive(json.loads(line), context)
    print(json.dumps([read.obj_what_changed() == set(), read.obj_to_primitive()]), flush=True)
print("null")
"""


@pytest.fixture(scope="module")
def through_watcher():
    """A function that returns what Watcher's class of an object reads and serializes again."""
    started = process.start(ECHO, "sqlite://")

    def answer(primitive):
        started.stdin.write(json.dumps(primitive) + "\n")
        started.stdin.flush()
        return json.loads(started.stdout.readline())

    yield answer
    assert process.ended(started) is None


def plain(obj):
    """The fields as both keep them: Watcher's times have whole seconds, and no document is {}."""
    values = {}
    for name in obj:
        value, field = obj[name], obj.fields[name]
        if name in obj.object_fields:
            value = plain(value)
        elif value is not None and isinstance(field, base.fields.DateTimeField):
            value = value.replace(microsecond=0)
        elif value is None and type(field).__name__.startswith("Flexible"):
            value = field.coerce(obj, name, "[]" if "List" in type(field).__name__ else "{}")
        values[name] = value
    return values


@pytest.mark.parametrize("filled", [True, False])
@pytest.mark.parametrize("cls", factory.CLASSES, ids=lambda cls: cls.__name__)
def test_both_read_what_the_other_serializes(cls, filled, through_watcher):
    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(obj=generated.objects(cls, filled))
    def check(obj):
        if cls is Action and "input_parameters" in obj:
            assume(None not in (obj.input_parameters or {}).values())  # what Watcher can't read
        is_clean, answer = through_watcher(obj.obj_to_primitive())
        assert is_clean
        assert answer["watcher_object.version"] == cls.VERSION
        back = cls.obj_from_primitive(answer, generated.context)
        missing = set(back) - set(obj)
        assert missing <= {"force", "state"}  # which Watcher's objects always tell of
        assert {n: v for n, v in plain(back).items() if n not in missing} == plain(obj)

    check()


@pytest.mark.parametrize("cls", factory.CLASSES, ids=lambda cls: cls.__name__)
def test_what_has_changed_is_reported_to_both(cls, through_watcher):
    obj = cls(generated.context, id=7)
    is_clean, answer = through_watcher(obj.obj_to_primitive())
    assert not is_clean
    assert "id" in cls.obj_from_primitive(answer, generated.context).obj_what_changed()
