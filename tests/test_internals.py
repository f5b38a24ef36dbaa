# SPDX-License-Identifier: Apache-2.0
"""The page on the way from an object to the SQL names the functions that run, in their order."""

import re
import sys
from pathlib import Path

import pytest

from tests import factory
from tests.documents import page
from watcher_objects import Audit

_STEP = re.compile(r"``([\w.<>]+)``\s+in\s+``([\w/]+\.py)``")
LIBRARY = Path(sys.modules["watcher_objects"].__file__).parent


@pytest.mark.parametrize("shared_url", ["sqlite"], indirect=True)
def test_the_page_names_the_functions_in_their_order(database, context):
    first, second = (factory.stored(Audit, context) for _ in range(2))
    first.state = second.state = "ONGOING"
    # What is compiled once has been compiled.
    first.save()
    calls = []

    def note(frame, event, argument):
        path = Path(frame.f_code.co_filename)
        if event == "call" and LIBRARY in path.parents:
            calls.append((frame.f_code.co_qualname, str(path.relative_to(LIBRARY))))

    sys.setprofile(note)
    try:
        second.save()
    finally:
        sys.setprofile(None)
    steps, _ = page("internals").split("If the UPDATE matches no row")
    named = _STEP.findall(steps)
    assert len(named) >= 13
    rest = iter(calls)
    assert [step for step in named if step not in rest] == []
