# SPDX-License-Identifier: Apache-2.0
"""A process of one runtime: for the URL of each database that it reads it prints outcomes.

``python -m tests.runtimes.worker RUNTIME FOLDER``; one whose name ends in ``-late`` patches the
process after the library and its drivers have been imported and used.
"""

import faulthandler
import json
import sys

from tests.runtimes.crowds import CROWDS

#: Seconds after which it takes itself for deadlocked.
LIMIT = 90


def main(runtime: str, folder: str) -> None:
    """Answer until the input ends."""
    if runtime.endswith("-late"):
        use()
    crowd = CROWDS[runtime.removesuffix("-late")]()
    from tests.runtimes import scenarios

    for line in sys.stdin:
        faulthandler.dump_traceback_later(LIMIT, exit=True)
        print(json.dumps(scenarios.run(crowd, line.strip(), folder)), flush=True)
        faulthandler.cancel_dump_traceback_later()


def use() -> None:
    """Import the library and its drivers, and use a database."""
    import psycopg  # noqa: F401
    import pymysql  # noqa: F401

    from watcher_objects import db
    from watcher_objects.db import migration

    db.configure("sqlite://")
    migration.upgrade()
    db.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
