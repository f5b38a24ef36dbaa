# SPDX-License-Identifier: Apache-2.0
"""What the documents say of Watcher's own code, of which ours takes nothing's place here."""

import ast
from pathlib import Path

import pytest
import watcher

from tests.documents import page, rows
from tests.interop import process

THEIRS = Path(watcher.__file__).parent
LOOK = """
import pkgutil
objects.register_all()
missing = []
for name in sys.argv[2:]:
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        missing.append(name)
print(json.dumps(missing))
"""


def test_each_name_of_watchers_that_has_become_another_is_there():
    names = [theirs for theirs, _ in rows("imports", page("coming-from-watcher"))]
    invented = "watcher.objects.audit.Nothing"
    assert process.ended(process.start(LOOK, "sqlite://", *names, invented)) == [invented]


@pytest.mark.parametrize(
    ("path", "place"), sorted({tuple(row[3:]) for row in rows("moves", page("differences"))})
)
def test_each_place_where_watcher_moves_against_the_tables_is_there(path, place):
    made_in, method = place.split(".")
    (found,) = (
        node
        for node in ast.parse((THEIRS / path).read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == made_in
    )
    assert method in {node.name for node in found.body if isinstance(node, ast.FunctionDef)}
