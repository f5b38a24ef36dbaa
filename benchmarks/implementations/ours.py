# SPDX-License-Identifier: Apache-2.0
"""The objects of this library, as they are configured by a URL and nothing else."""

from oslo_context.context import RequestContext

from benchmarks import worker
from benchmarks.implementations.objects import Versioned
from watcher_objects import Audit, db


class Ours(Versioned):
    """This library."""

    def __init__(self, url: str) -> None:
        db.configure(url)
        self.audits, self.context = Audit, RequestContext()
        if hasattr(Audit, "iterate"):
            self.iterate = lambda batch: Audit.iterate(self.context, batch=batch)


if __name__ == "__main__":
    worker.serve(Ours)
