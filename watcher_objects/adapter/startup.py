# SPDX-License-Identifier: Apache-2.0
"""What happens once Watcher has read its configuration: the database, and a line in the log."""

import importlib.metadata
import logging

from oslo_config import cfg
from oslo_db import options

from watcher_objects import db
from watcher_objects.db.backend import urls

LOG = logging.getLogger("watcher_on_objects")

#: The life-cycles of Watcher's services.
PROFILE = "watcher"

#: The options in [database], and the parameter of the pool that each one sets.
POOL = {
    "max_pool_size": "pool_size",
    "max_overflow": "max_overflow",
    "connection_recycle_time": "pool_recycle",
    "pool_timeout": "pool_timeout",
}


def configure() -> db.Database | None:
    """Configure the library with the section [database] of Watcher's configuration.

    :returns: the database; None if no connection is configured
    """
    cfg.CONF.register_opts(options.database_opts, "database")
    section = cfg.CONF.database
    if not section.connection:
        return None
    pool = {name: section[option] for option, name in POOL.items() if section[option] is not None}
    # Watcher alone needs psycopg2, which is not supported here.
    return db.configure(urls.with_driver(section.connection), transitions=PROFILE, **pool)


def start() -> None:
    """Configure the database, and log what runs; Watcher calls it as ``register_all``."""
    database = configure()
    LOG.info(
        "watcher_objects %s is in the place of the objects of Watcher %s; database %s, profile %s",
        importlib.metadata.version("watcher-objects"),
        importlib.metadata.version("python-watcher"),
        database.engine.url.render_as_string(hide_password=True) if database else "none",
        PROFILE,
    )
