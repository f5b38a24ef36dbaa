# SPDX-License-Identifier: Apache-2.0
"""Watcher's programs by the launcher, in processes of their own, as the how-to describes."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tests import documents, servers
from tests.population import FOREIGN_HEAD
from watcher_objects.db import migration

PAGE = documents.PAGES["watcher-services.rst"]
CONFIG = "--config-file /etc/watcher/watcher.conf"
#: The commands of the page that run a program, in their order.
CHECK, UPGRADE, CAN_START, DOWNGRADE = re.findall(r"^ +(watcher-\S+ .*)$", PAGE, re.MULTILINE)
#: What a WSGI server runs with the page's line.
APPLICATION = f"""
{re.search("from watcher_on_objects import application", PAGE)[0]}
from watcher import objects
import watcher_objects
print(type(application).__name__, issubclass(objects.Audit, watcher_objects.Audit))
"""


@pytest.fixture
def file(tmp_path):
    """A file with the configuration of Watcher."""
    return tmp_path / "watcher.conf"


@pytest.fixture
def run(file):
    """A function that runs a command of the page with that file."""

    def run(command, connection=None):
        if connection is not None:
            setting = f"connection = {connection.replace('$', '$$')}"
            file.write_text(f"[DEFAULT]\ntransport_url = fake://\n[database]\n{setting}\n")
        words = command.replace("/etc/watcher/watcher.conf", str(file)).split()
        program = Path(sys.executable).with_name(words[0])
        return subprocess.run(  # noqa: S603
            [program, *words[1:]], capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def url(empty):
    """The URL of an empty database, with a driver that Watcher finds."""
    return servers.admin(empty).url.render_as_string(hide_password=False)


# Each program takes several seconds to start.
@pytest.mark.parametrize("empty", ["mariadb"], indirect=True)
def test_the_commands_of_the_page_replace_the_objects_and_go_back(run, url):
    migration.upgrade(FOREIGN_HEAD)
    assert run(CHECK, url).returncode == 1
    before = run(CAN_START)
    assert (before.returncode, before.stdout.splitlines()[-1]) == (1, "Watcher cannot be started")
    assert f"problem: revision {FOREIGN_HEAD} is older than " in before.stdout
    assert run(UPGRADE).returncode == 0
    after = run(CAN_START)
    assert (after.returncode, after.stdout.splitlines()[-1]) == (0, "Watcher can be started")
    synced = run(f"watcher-on-objects /usr/bin/watcher-sync {CONFIG}")
    assert synced.returncode == 0, synced.stderr
    line = (
        f"watcher_objects {metadata.version('watcher-objects')} is in the place of the objects of "
        f"Watcher {metadata.version('python-watcher')}; database "
    )
    assert line in synced.stdout + synced.stderr
    assert "Strategy dummy created" in synced.stdout + synced.stderr
    assert run(DOWNGRADE).returncode == 0
    alone = run(f"watcher-sync {CONFIG}")
    assert alone.returncode == 0, alone.stderr
    assert "Strategy dummy already exists" in alone.stdout + alone.stderr


@pytest.mark.parametrize("empty", ["postgresql"], indirect=True)
def test_watcher_db_manage_moves_the_schema(run, url):
    for command, revision in (
        ("upgrade", migration.history()[-1].revision),
        (f"downgrade --revision {FOREIGN_HEAD}", FOREIGN_HEAD),
    ):
        done = run(f"watcher-on-objects watcher-db-manage {CONFIG} {command}", url)
        assert done.returncode == 0, done.stderr
        assert migration.version() == revision


def test_a_wsgi_server_gets_the_application(file):
    file.write_text("[DEFAULT]\ntransport_url = fake://\n")
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "ignore", "-c", APPLICATION, "--config-file", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["VersionSelectorApplication True"], done.stderr


@pytest.mark.parametrize(
    ("connection", "problem"),
    [
        ("", "problem: the configuration has no connection in the section [database]"),
        ("postgresql://a:secret@127.0.0.1:1/none", "problem: The database is unavailable"),
    ],
)
def test_what_stands_in_the_way_is_a_problem(run, connection, problem):
    done = run(CAN_START, connection)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "Watcher cannot be started")
    assert problem in done.stdout
    assert "secret" not in done.stdout + done.stderr


def test_a_program_that_watcher_does_not_have_is_rejected(run):
    done = run("watcher-on-objects watcher-nothing")
    assert done.returncode == 1
    assert "Watcher has no program 'watcher-nothing': it has watcher-api" in done.stderr
