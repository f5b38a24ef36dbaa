# SPDX-License-Identifier: Apache-2.0
"""What the process that workers are forked from does once, so that each is quickly at work.

Whatever is imported, compiled and cached at the first use is so here, on a database in memory.
"""

import tempfile
from pathlib import Path

from tests.chaos import mix, ours, worker  # noqa: F401 - ours is found by its name
from watcher_objects import db
from watcher_objects.db import models

with tempfile.TemporaryDirectory() as folder:
    first = worker.Worker(worker.Job("first", mix.make_calls, "sqlite://", Path(folder), "ours"))
    models.metadata.create_all(db.get_engine())
    first.seed(1)
    (audit,) = first.list() or ()
    for op in ("touch", "claim", "finish", "delete"):
        first.move(audit, op)
    first.refresh(audit)
    db.dispose()
