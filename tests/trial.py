# SPDX-License-Identifier: Apache-2.0
"""A program that runs some tests in each of several copies of this tree, on SQLite.

``python -P tests/trial.py FOLDER...`` prints pytest's exit codes. What the copies share is
imported once; each is a child of its own, with its own library.
"""

import contextlib
import gc
import importlib
import json
import multiprocessing
import os
import sys

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

#: The tests of what the places of the README's recipes are for, the quickest first.
TESTS = (
    "tests/test_floors.py::test_every_module_has_its_floor",
    "tests/test_docs.py::test_the_architecture_names_every_room",
    "tests/test_contract.py::test_every_column_but_the_mark_of_deletion_is_a_field",
    "tests/test_versions.py::test_a_history_ends_in_the_class_and_leaves_no_version_out",
    "tests/test_versions.py::test_each_release_has_the_versions_that_it_had",
    "tests/test_versions.py::test_the_newest_release_has_the_classes_as_they_are",
    "tests/test_versions.py::test_no_release_leaves_a_version_out",
    "tests/test_versions.py::test_the_fingerprints_are_those_that_were_written_down",
    "tests/inputs/test_fields.py::test_every_field_is_in_the_table",
    "tests/inputs/test_calls.py::test_what_means_no_object_is_refused_or_not_found",
    "tests/cli/test_entity.py::test_there_are_commands_for_every_kind",
    "tests/cli/test_documentation.py",
    "tests/test_testing.py::test_the_factory_makes_a_valid_object_of_every_class",
    "tests/test_migration.py::test_there_is_one_head",
    "tests/test_migration.py::test_the_migrations_make_what_the_models_say",
    "tests/test_contract.py::test_a_created_object_is_its_row_and_clean",
)
OPTIONS = ["--quiet", "--exitfirst", "--assert=plain", "-n", "0", "-p", "no:cacheprovider", "-k"]
WHICH = "not postgresql and not maria"


#: A file that asks for the fingerprints to be written down before.
DUE = "fingerprints-are-due"


def run(folder: str) -> int:
    """Run the tests in a folder, which has what they say in ``told`` afterwards."""
    os.chdir(folder)
    told = os.open("told", os.O_CREAT | os.O_WRONLY)
    os.dup2(told, 1)
    os.dup2(told, 2)
    sys.path.insert(0, folder)
    if os.path.exists(DUE):
        with contextlib.suppress(Exception, SystemExit):
            importlib.import_module("tests.fingerprints").main()
    return int(pytest.main([*OPTIONS, WHICH, *TESTS]))


if __name__ == "__main__":
    # What is here already is no work for the collectors of the children.
    gc.freeze()
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        print(json.dumps(pool.map(run, sys.argv[1:], chunksize=1)))
