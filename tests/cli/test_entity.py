# SPDX-License-Identifier: Apache-2.0
"""The commands that list and show."""

import contextlib
import json
import sqlite3

import pytest
from oslo_context.context import RequestContext

from tests import factory
from tests.cli.conftest import one_line
from watcher_objects import Audit, db
from watcher_objects.cli import entity


@pytest.fixture
def listed(rows):
    """List audits of the filled database, and return their names."""
    return lambda *options: [row["name"] for row in rows("audit", "list", *options)]


@pytest.fixture
def shown(on):
    """Show one audit of the filled database."""
    return lambda *words: on("audit", "show", *words)


# --- audit list -----------------------------------------------------------------------------


def test_list_shows_goals_and_strategies_by_name(on):
    result = on("audit", "list", "-f", "json")
    one, two, *_ = json.loads(result.out)
    assert list(one) == ["uuid", "name", "audit_type", "state", "goal", "strategy", "updated_at"]
    assert (one["goal"], one["strategy"], one["state"]) == ("cool", None, "PENDING")
    assert (two["goal"], two["strategy"], two["updated_at"]) == ("level", "spread", None)


@pytest.mark.parametrize("form", ["table", "json", "yaml", "csv", "value"])
def test_list_comes_in_every_format(on, form):
    result = on("audit", "list", "--deleted", "-f", form)
    assert (result.code, result.err) == (0, "")
    assert "CANCELLED" not in result.out
    assert all(name in result.out for name in ("one", "five", "spread", "DELETED"))


def test_list_comes_in_pages(listed, shown):
    assert listed("--limit", "2") == ["one", "two"]
    uuid = json.loads(shown("two", "-f", "json").out)["uuid"]
    assert listed("--limit", "2", "--marker", uuid) == ["three", "four"]
    assert listed("--marker", "3") == ["four"]


def test_list_is_narrowed_by_a_goals_name_or_uuid(listed, filled):
    assert listed("--goal", "level") == ["two", "four"]
    with contextlib.closing(sqlite3.connect(filled)) as connection:
        ((uuid,),) = connection.execute("SELECT uuid FROM goals WHERE name = 'cool'").fetchall()
    assert listed("--goal", uuid.upper()) == ["one", "three"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (["--limit", "-1"], "limit"),
        (["--marker", "nobody"], "marker must be"),
        (["--sort-key", "colour"], "sort key"),
        (["--goal", "wealth"], "wealth"),
        (["--filter", "colour=red"], "colour"),
        (["--filter", "created_at__gt=yesterday"], "ISO 8601"),
        (["--filter", "id__gt"], "must have a value"),
        (["--filter", "state=FAILED", "--state", "FAILED"], "twice"),
    ],
)
def test_list_refuses_what_it_does_not_know(on, asked, expected):
    assert expected in one_line(on("audit", "list", *asked))


@pytest.mark.parametrize("options", [("--state", "TIRED"), ("--limit", "few")])
def test_list_refuses_values_that_an_option_has_not(on, options):
    result = on("audit", "list", *options)
    assert result.code == 2
    assert options[1] in result.err


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ("", "one two three four"),
        ("--deleted", "one two three four five"),
        ("--state deleted", "five"),
        ("--sort-key name", "four one three two"),
        ("--sort-key name --sort-dir desc", "two three one four"),
        ("--name one", "one"),
        ("--type oneshot --strategy spread", "two"),
        ("--hostname elsewhere", ""),
        ("--filter=name=two", "two"),
        ("--filter=name__in=one,four,nobody", "one four"),
        ("--filter=strategy_id", "one three four"),
        ("--filter=strategy_name__neq", "two"),
        ("--filter=auto_trigger=no --filter=created_at__gt=2020-01-01 --filter=id__lte=1", "one"),
        ("--filter=hostname=", ""),
    ],
)
def test_list_is_sorted_and_narrowed_by_options_and_filters(listed, options, names):
    assert listed(*options.split()) == names.split()


# --- audit show -----------------------------------------------------------------------------


def test_show_finds_by_id_by_uuid_and_by_name(shown):
    by_name = shown("two", "-f", "json")
    uuid = json.loads(by_name.out)["uuid"]
    assert (by_name.code, by_name.err) == (0, "")
    assert by_name == shown("2", "-f", "json") == shown(uuid, "-f", "json")


def test_show_finds_a_name_that_looks_like_an_id(shown, filled):
    with contextlib.closing(sqlite3.connect(filled)) as connection:
        connection.execute("UPDATE audits SET name = '2026' WHERE name = 'two'")
        connection.commit()
    assert json.loads(shown("2026", "-f", "json").out)["id"] == 2


def test_show_has_every_field_and_documents_as_json(shown):
    expected = json.loads(shown("two", "-f", "json").out)
    assert expected.keys() == Audit.fields.keys() | {*entity.CLAIM, "last_transition"}
    assert (expected["parameters"], expected["scope"]) == ({"limit": 0.5}, [{"compute": []}])
    for form in ("table", "value"):
        assert '{"limit": 0.5}' in shown("two", "-f", form).out


def test_show_finds_deleted_audits_only_when_asked(shown):
    assert one_line(shown("five")) == "Audit five not found"
    assert json.loads(shown("five", "--deleted", "-f", "json").out)["state"] == "DELETED"


@pytest.mark.parametrize("form", ["table", "value", "shell", "json", "yaml"])
def test_what_a_terminal_would_obey_is_shown_and_not_sent(on, filled, form):
    db.configure(f"sqlite:///{filled}")
    audit = Audit.get_by_name(RequestContext(), "one", eager=True)
    audit.status_message = audit.goal.name = "\x1b[31mred\u202e"
    audit.save()
    audit.goal.save()
    out = on("audit", "show", "one", "-f", form).out
    assert not {"\x1b", "\u202e"} & set(out)
    assert out.count("[31mred") == 2


# --- every kind -----------------------------------------------------------------------------


@pytest.fixture
def of_every_kind(database, url, context):
    """One stored object of every class; the value is their database's URL."""
    for cls in factory.CLASSES:
        factory.stored(cls, context)
    return url


def test_there_are_commands_for_every_kind():
    assert {kind.entity for kind in entity.KINDS.values()} == set(factory.CLASSES)
    for kind in entity.KINDS.values():
        assert set(kind.columns) <= kind.entity.fields.keys()


def test_every_kind_is_listed_and_shown_on_every_database(run, of_every_kind):
    def asked(*words):
        result = run("--database", of_every_kind, *words, "-f", "json")
        assert (result.code, result.err) == (0, "")
        return json.loads(result.out)

    for word, kind in entity.KINDS.items():
        later = ["--filter", "created_at__gt=2020-01-01T00:00:00Z", "--filter", "deleted_at"]
        row, *_ = asked(word, "list", *later, "--sort-key", "created_at", "--sort-dir", "desc")
        assert list(row) == list(kind.columns)
        more = {*entity.CLAIM, "last_transition"} if "state" in kind.entity.fields else set()
        assert asked(word, "show", row[kind.columns[0]]).keys() == kind.entity.fields.keys() | more


def test_related_objects_are_shown_by_their_names_or_uuids(run, of_every_kind):
    (action,) = json.loads(run("--database", of_every_kind, "action", "list", "-f", "json").out)
    words = "actionplan", "list", "--filter", f"uuid={action['action_plan']}"
    (plan,) = json.loads(run("--database", of_every_kind, *words, "-f", "json").out)
    words = "audit", "show", plan["audit"]
    audit = json.loads(run("--database", of_every_kind, *words, "-f", "json").out)
    assert audit["name"] == plan["audit"]
    assert action["parents"] == ["parent"]


def test_a_list_of_many_takes_as_many_statements_as_one_of_one(rows, statements):
    assert len(rows("audit", "list", "--strategy", "spread")) == 1
    for_one = len(statements)
    statements.clear()
    assert len(rows("audit", "list", "--deleted", "--goal", "level")) == 2
    assert 0 < len(statements) <= for_one
