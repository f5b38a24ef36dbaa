# SPDX-License-Identifier: Apache-2.0
"""The types of columns that the databases name differently."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

_MARIADB = ("mysql", "mariadb")


def exact_text(length: int) -> sa.types.TypeEngine[Any]:
    """Return text that is compared by code point."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def big_number() -> sa.types.TypeEngine[Any]:
    """Return whole numbers of 64 bits that the database draws; SQLite's INTEGER has as many."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def time() -> sa.types.TypeEngine[Any]:
    """Return a time in UTC, to the microsecond."""
    return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), *_MARIADB)


def medium_text() -> sa.types.TypeEngine[Any]:
    """Return text of up to 16 MiB."""
    return sa.Text().with_variant(mysql.MEDIUMTEXT(), *_MARIADB)


def long_text() -> sa.types.TypeEngine[Any]:
    """Return text of up to 4 GiB."""
    return sa.Text().with_variant(mysql.LONGTEXT(), *_MARIADB)
