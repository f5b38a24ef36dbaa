# SPDX-License-Identifier: Apache-2.0
"""The command ``watcher-on-objects --check``: can Watcher be started on these objects?"""

import importlib
import importlib.metadata
from collections.abc import Iterator

from watcher.common import (
    config,
    service,  # noqa: F401 - it registers options that the configuration needs
)

import watcher_on_objects
from watcher_objects import exception
from watcher_objects.adapter import startup
from watcher_objects.db import migration
from watcher_objects.db.migration.diagnostics import Need


def main(arguments: list[str]) -> int:
    """Print what is found, and return the exit code: 0 if Watcher can be started, else 1.

    :param arguments: those of a program of Watcher, such as ``--config-file FILE``
    """
    config.parse_args(["watcher-on-objects", *arguments])
    for name in ("python-watcher", "watcher-objects"):
        print(f"{name} {importlib.metadata.version(name)}")
    found = [*_problems()]
    for problem in found:
        print(f"problem: {problem}")
    print("Watcher cannot be started" if found else "Watcher can be started")
    return 1 if found else 0


def _problems() -> Iterator[str]:
    for module in watcher_on_objects.PATCHED:
        importlib.import_module(module)
    try:
        database = startup.configure()
        if database is None:
            yield "the configuration has no connection in the section [database]"
            return
        print(f"database {database.engine.url.render_as_string(hide_password=True)}")
        for finding in migration.check():
            if finding.need is not Need.NOTHING:
                yield f"{finding.what}; {finding.advice}"
            else:
                print(f"note: {finding.what}; {finding.advice}")
    except exception.WatcherException as error:
        yield str(error)
