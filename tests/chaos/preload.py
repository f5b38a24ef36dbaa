# SPDX-License-Identifier: Apache-2.0
"""What the process that workers are forked from does once, on a database in memory.

Whatever is imported, compiled and cached at the first use is then ready in each worker.
"""

import tempfile
from pathlib import Path

from tests.chaos.harness import Job, Worker
from tests.chaos.scenarios import make_calls
from watcher_objects import db
from watcher_objects.db import models

with tempfile.TemporaryDirectory() as folder:
    first = Worker(Job("first", make_calls, "sqlite://", Path(folder)))
    models.metadata.create_all(db.get_engine())
    first.seed(1)
    (audit,) = first.list() or ()
    for op in ("touch", "claim", "finish", "delete"):
        first.move(audit, op)
    first.refresh(audit)
    db.dispose()
