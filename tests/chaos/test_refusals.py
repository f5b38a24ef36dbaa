# SPDX-License-Identifier: Apache-2.0
"""Errors of connecting: refusals are reported at once, the other ones are waited for.

PostgreSQL sends them in two languages, and without a code.
"""

import contextlib
import threading
import time
import traceback

import psycopg
import pytest
import sqlalchemy as sa
from oslo_context.context import RequestContext

from tests import servers
from tests.chaos import instances
from watcher_objects import Goal, db, exception

#: Which accounts may connect how; the first line that matches applies.
ENTRIES = """
host all postgres 127.0.0.1/32 trust
host all outcast 127.0.0.1/32 reject
host all recluse 127.0.0.1/32 trust
host all unknown 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""
MADE = (
    f"CREATE ROLE guest LOGIN PASSWORD '{servers.CANARY}'",
    "CREATE ROLE recluse",
    f"CREATE ROLE single LOGIN CONNECTION LIMIT 1 PASSWORD '{servers.CANARY}'",
    "CREATE DATABASE closed",
    "REVOKE CONNECT ON DATABASE closed FROM PUBLIC",
)
#: Creates the certificate of a server on another host.
CERTIFICATE = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=elsewhere")
#: "Does not exist" in the languages of the server.
LANGUAGES = {"en": "does not exist", "de": "existiert nicht"}
WITHOUT_TLS = "TLS can't be had as the URL asks"
#: Connections that the server allows, and how many of them to others than its owner.
SEATS, FREE = 5, 2


def shown(url):
    return url.render_as_string(hide_password=False)


def message_of(url):
    """Return the message of an attempt to connect."""
    try:
        psycopg.connect(shown(url)).close()
    except psycopg.OperationalError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def house():
    """A server that requires passwords, and is not running."""
    with instances.shelter() as folder:
        made = instances.Postgresql(
            folder / "own",
            "lc_messages=C.UTF-8",
            f"max_connections={SEATS}",
            f"superuser_reserved_connections={SEATS - FREE}",
            "max_wal_senders=0",
            f"restore_command=while test -e {folder}/own/hold; do sleep 0.1; done; false",
        )
        data = made.folder / "data"
        (data / "pg_hba.conf").write_text(ENTRIES)
        for name in ("server", "other"):
            files = "-keyout", f"{data}/{name}.key", "-out", f"{data}/{name}.crt"
            made.run(instances.binary("openssl"), *CERTIFICATE, *files)
        made.start()
        with contextlib.closing(servers.admin(made.url).connect()) as connection:
            for statement in MADE:
                connection.exec_driver_sql(statement)
            with_tls(connection, True)
        made.stop()
        yield made
        made.kill()


def with_tls(connection, is_on):
    connection.exec_driver_sql(f"ALTER SYSTEM SET ssl = {is_on}")
    connection.exec_driver_sql("SELECT pg_reload_conf()")


@pytest.fixture(scope="module", params=LANGUAGES)
def speaking(request, house):
    """The same, running, with messages in a language."""
    house.start(language=request.param)
    try:
        if LANGUAGES[request.param] not in message_of(
            sa.make_url(house.url).set(username="unknown")
        ):
            servers.missing(f"PostgreSQL's messages are not there in {request.param}")
        yield house
    finally:
        house.stop()


@pytest.fixture
def place(speaking):
    """The URL of the server for an account."""
    yield sa.make_url(speaking.url).set(username="guest", password=servers.CANARY)
    db.dispose()


def begin():
    with db.transaction():
        pass


def refused(url, match):
    """Make calls that fail at once."""
    db.configure(url)
    for call in (begin, lambda: Goal.list(RequestContext())):
        with pytest.raises(exception.DatabaseError, match=match) as caught:
            call()
        assert type(caught.value) is exception.DatabaseError
        assert servers.CANARY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "somebody",
    [
        {"password": "wrong" + servers.CANARY},
        {"password": ""},
        {"database": "nowhere"},
        {"database": "closed"},
        {"username": "unknown"},
        {"username": "recluse"},
        {"username": "outcast"},
    ],
    ids=str,
)
def test_a_refusal_is_reported_at_once_and_without_the_password(place, somebody):
    refused(place.set(**somebody), "the account can't connect")


@pytest.mark.parametrize(
    ("mode", "trusted"),
    [
        ("nonsense", "server.crt"),
        ("verify-ca", "none.crt"),
        ("verify-ca", "other.crt"),
        ("verify-full", "server.crt"),
    ],
)
def test_what_tls_can_not_do_is_reported_at_once(place, speaking, mode, trusted):
    query = {"sslmode": mode, "sslrootcert": f"{speaking.folder}/data/{trusted}"}
    refused(place.update_query_dict(query), WITHOUT_TLS)


def test_a_server_without_tls_is_reported_at_once_where_that_is_requested(place, speaking):
    asked = place.update_query_dict({"sslmode": "require"})
    assert message_of(asked) == ""
    with contextlib.closing(servers.admin(speaking.url).connect()) as connection:
        with_tls(connection, False)
        try:
            await_refusal(asked, "SSL")
            refused(asked, WITHOUT_TLS)
        finally:
            with_tls(connection, True)


@pytest.mark.parametrize("shared_url", ["mariadb"], indirect=True)
def test_mariadb_without_the_tls_that_is_requested_is_reported_at_once(url, database):
    refused(sa.make_url(url).update_query_dict({"ssl_verify_cert": "true"}), WITHOUT_TLS)


def await_refusal(url, by=":  "):
    """Wait until the server refuses a connection."""
    deadline = time.monotonic() + instances.PATIENCE
    while by not in message_of(url):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def passes_once(change, url):
    """Make a call that the server accepts only once something changes."""
    await_refusal(url)
    db.configure(url)
    later = threading.Timer(0.5, change)
    later.start()
    begin()
    assert later.finished.is_set()


def test_a_server_that_is_starting_up_is_waited_for(place, speaking):
    hold, recovery = speaking.folder / "hold", speaking.folder / "data" / "recovery.signal"
    speaking.stop()
    for file in (hold, recovery):
        file.touch()
        file.chmod(0o666)
    speaking.start(wait=False)
    passes_once(hold.unlink, place)


def test_a_server_that_is_full_is_waited_for(place):
    with psycopg.connect(shown(place)), psycopg.connect(shown(place)) as other:
        passes_once(other.close, place)


@pytest.mark.parametrize("speaking", ["en"], indirect=True)
def test_a_limit_of_the_account_is_waited_for_where_the_message_is_english(place):
    place = place.set(username="single")
    with psycopg.connect(shown(place)) as other:
        passes_once(other.close, place)
