# SPDX-License-Identifier: Apache-2.0
"""The URLs of databases, and the passwords in them."""

import contextlib
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from watcher_objects import exception

_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "sqlite+pysqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mysql+pymysql": "mysql+pymysql",
    "mysql+mysqldb": "mysql+mysqldb",
    "mariadb": "mysql+pymysql",
    "mariadb+pymysql": "mysql+pymysql",
    "mariadb+mysqldb": "mysql+mysqldb",
}
# The modes of a connection pooler that a URL may name.
_POOL_MODES = ("session", "transaction")
# Of a URL's query SQLAlchemy shows everything.
_SECRETS = {"password", "passwd", "sslpassword"}


def parsed(url: str | sa.URL) -> sa.URL:
    """Return a URL with the driver that is used for its database.

    :raises InvalidParameter: it can't be used
    """
    made = known = None
    with contextlib.suppress(exc.ArgumentError, KeyError, ValueError, AttributeError):
        # Suppressed: the cause would show the URL, and with it the password.
        made = sa.make_url(url)
        known = made.set(drivername=_DRIVERS[made.drivername])
    # A password with a bare @ ends there, and its rest is taken for a part of the host. Of a
    # SQLite URI the path is not known, and so not whose file it is.
    if known is None or "@" in (known.host or "") or "uri" in known.query:
        allowed = "sqlite:///FILE, postgresql://... or mysql://..., an @ in a password as %40"
        driver = made and _DRIVERS.get(made.get_backend_name())
        if made and driver and not known:
            other = made.drivername.partition("+")[2]
            allowed = (
                f"{driver}://..., as the driver {exception.safe_repr(other)} is not supported"
            )
        raise exception.InvalidParameter(parameter="url", parameter_type=allowed)
    if known.query.get("pool_mode", "session") not in _POOL_MODES or (
        "pool_mode" in known.query and known.get_backend_name() != "postgresql"
    ):
        allowed = f"{' or '.join(_POOL_MODES)}, with postgresql://"
        raise exception.InvalidParameter(parameter="pool_mode", parameter_type=allowed)
    if known.get_backend_name() == "mysql":
        return known.update_query_dict({"charset": "utf8mb4"})
    return known


def of_file(path: str) -> str:
    """Return the URL of an SQLite file."""
    return sa.URL.create("sqlite", database=path).render_as_string()


def with_driver(url: str | sa.URL) -> str:
    """Return a URL, password included, with a supported driver for its database, if any."""
    try:
        made = sa.make_url(url)
    except (exc.ArgumentError, ValueError):
        return str(url)
    usual = _DRIVERS.get(made.get_backend_name(), made.drivername)
    made = made.set(drivername=_DRIVERS.get(made.drivername, usual))
    return made.render_as_string(hide_password=False)


def secrets(url: sa.URL) -> dict[str, Any]:
    """Return the passwords in a URL's query, for the driver."""
    return {name: url.query[name] for name in _SECRETS & url.query.keys()}


def without_secrets(url: sa.URL) -> sa.URL:
    """Return a URL without the passwords in its query."""
    return url.difference_update_query(_SECRETS)
