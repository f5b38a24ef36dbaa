# SPDX-License-Identifier: Apache-2.0
"""A program that runs some tests on several variants of this tree, on SQLite.

``python -P tests/trial.py FOLDER`` reads the variants, of each the files that it changes, and
prints pytest's exit code and output for each of them. It works in a copy of the tree. What the
variants share is imported once; each runs in a child, with its own library.
"""

import contextlib
import gc
import importlib
import json
import os
import sys
from pathlib import Path

import hypothesis  # noqa: F401
import oslo_messaging.rpc  # noqa: F401
import oslo_versionedobjects.fixture  # noqa: F401
import prettytable  # noqa: F401
import psycopg  # noqa: F401
import pytest
import tenacity  # noqa: F401
import tqdm  # noqa: F401
from alembic import autogenerate, command  # noqa: F401
from cliff import app, lister, show  # noqa: F401
from oslo_db.sqlalchemy import exc_filters  # noqa: F401

#: The tests of what the places of the recipes are for, the quickest first.
TESTS = (
    "tests/test_contract.py::test_every_column_but_the_mark_of_deletion_is_a_field",
    "tests/test_versions.py::test_a_history_ends_in_the_class_and_leaves_no_version_out",
    "tests/test_versions.py::test_the_newest_release_has_the_classes_as_they_are",
    "tests/test_versions.py::test_no_release_leaves_a_version_out",
    "tests/test_versions.py::test_the_fingerprints_are_those_that_were_written_down",
    "tests/test_typing.py::test_stubs_are_current",
    "tests/test_states.py::test_the_table_is_the_documented_one_and_total",
    "tests/test_docs.py::test_the_drawing_is_that_of_the_table",
    "tests/cli/test_entity.py::test_there_are_commands_for_every_kind",
    "tests/cli/test_documentation.py",
    "tests/test_testing.py::test_the_factory_makes_a_valid_object_of_every_class",
    "tests/test_migration.py::test_the_migrations_make_what_the_models_say",
    "tests/test_contract.py::test_a_created_object_is_its_row_and_clean",
)
OPTIONS = ["--quiet", "--exitfirst", "--assert=plain", "-n", "0", "-p", "no:cacheprovider", "-k"]
WHICH = "not postgresql and not maria and not mysql"
#: A file that asks for the fingerprints to be written down before.
DUE = "fingerprints-are-due"
_FINGERPRINTS, _STUBS = "watcher_objects/fingerprints.json", "watcher_objects/*.pyi"


def attempt(changes: dict[str, str]) -> tuple[int, str]:
    """Run the tests with these files, and restore what was there."""
    paths = {*map(Path, [*changes, _FINGERPRINTS]), *Path().glob(_STUBS)}
    before = {path: path.read_text() for path in paths if path.exists()}
    for name, text in changes.items():
        Path(name).write_text(text)
    child = os.fork()
    if child == 0:
        os._exit(run())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for path in paths | {*Path().glob(_STUBS)}:
        if path not in before:
            path.unlink()
        elif path.read_text() != before[path]:
            path.write_text(before[path])
    return code, Path("output").read_text()


def run() -> int:
    """Run the tests here; what they print is in ``output`` afterwards."""
    output = os.open("output", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.path.insert(0, os.getcwd())
    if os.path.exists(DUE):
        with contextlib.suppress(Exception, SystemExit):
            importlib.import_module("tests.fingerprints").main()
    return int(pytest.main([*OPTIONS, WHICH, *TESTS]))


if __name__ == "__main__":
    # What is here already need not be collected by the children.
    gc.freeze()
    os.chdir(sys.argv[1])
    print(json.dumps([*map(attempt, json.load(sys.stdin))]))
