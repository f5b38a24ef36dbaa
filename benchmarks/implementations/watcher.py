# SPDX-License-Identifier: Apache-2.0
"""The objects of OpenStack Watcher, unmodified, configured as its services do it."""

# It has to be imported before Watcher's objects are, which it registers.
import watcher.common.service  # isort: skip  # noqa: F401
import warnings

from oslo_config import cfg
from watcher import objects
from watcher.common import context

from benchmarks import sql, worker
from benchmarks.implementations.objects import Versioned

DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}


class Watcher(Versioned):
    """Watcher, without a message bus."""

    def __init__(self, url: str) -> None:
        cfg.CONF([], project="watcher")
        connection = f"{DRIVERS[sql.kind(url)]}:{url.partition(':')[2]}"
        cfg.CONF.set_override("connection", connection, group="database")
        # It makes a notification of each write as ever; without a level it sends none.
        cfg.CONF.set_override("notification_level", None)
        objects.register_all()
        # It has enabled warnings again.
        warnings.simplefilter("ignore")
        self.audits, self.context = objects.Audit, context.make_context()


if __name__ == "__main__":
    worker.serve(Watcher)
