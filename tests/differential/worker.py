# SPDX-License-Identifier: Apache-2.0
"""A process that has one database, and makes the calls there that it gets over a pipe."""

import contextlib
import functools
import multiprocessing
from concurrent import futures

import sqlalchemy as sa
from oslo_context.context import RequestContext

from tests import conftest
from tests.differential.model import CLASSES
from watcher_objects import db, events, exception
from watcher_objects.db import migration
from watcher_objects.db.backend import database as backend

SHOWN = {
    "goal": ("uuid", "name", "display_name"),
    "strategy": ("uuid", "name", "display_name", "goal_id"),
    "audit": ("uuid", "name", "audit_type", "state", "hostname", "goal_id", "parameters"),
    "action_plan": ("uuid", "audit_id", "strategy_id", "state", "hostname"),
    "action": ("uuid", "action_plan_id", "action_type", "state"),
}
CONTEXTS = {False: RequestContext(), True: RequestContext(show_deleted=True)}
#: What a goal needs that is compared nowhere.
GIVEN = {"goal": {"efficacy_specification": []}}
#: Seconds for which the other waits for a lock that is held: the minimum of each server.
LOCK_TIMEOUT = {"sqlite": 0, "postgresql": 0.1, "mysql": 0}


class Rollback(Exception):
    """Rolls a transaction back."""


def visible(obj, kind):
    """Return what can be seen of an object, alike on every database."""
    seen = {name: getattr(obj, name) for name in SHOWN[kind] if obj.obj_attr_is_set(name)}
    times = {name: obj[name] is not None for name in TIMES if obj.obj_attr_is_set(name)}
    return seen | times


TIMES = ("updated_at", "deleted_at")


class Actor:
    """Objects by the names of their handles, and the transactions around what is done next."""

    def __init__(self):
        self.open = []
        self.other = futures.ThreadPoolExecutor(1)
        self.reset()
        events.subscribe(self._note)

    def _note(self, event):
        state = getattr(event.obj, "state", None)
        self.events.append((event.resource, event.kind, event.obj.uuid, state, event.old_state))

    def reset(self):
        self.abandon()
        self.handles, self.events = {}, []
        conftest.clean()

    def seen(self):
        """Return what can be seen of every handle."""
        return {
            name: (
                visible(obj, kind),
                sorted({*SHOWN[kind]} & obj.obj_what_changed()),
                obj.old_state,
            )
            for name, (kind, obj) in self.handles.items()
        }

    def build(self, handle, kind, given):
        self.handles[handle] = kind, CLASSES[kind](CONTEXTS[False], **GIVEN.get(kind, {}), **given)

    def assign(self, handle, field, value):
        self.handles[handle][1][field] = value

    def put(self, handle, key, value):
        """Change something inside a document."""
        self.handles[handle][1].parameters[key] = value

    def create(self, handle):
        self.handles[handle][1].create()

    def create_many(self, kind, handles):
        objects = [self.handles[handle][1] for handle in handles]
        CLASSES[kind].create_many(CONTEXTS[False], objects)

    def save(self, handle):
        self.handles[handle][1].save()

    def soft_delete(self, handle):
        self.handles[handle][1].soft_delete()

    def destroy(self, handle):
        self.handles[handle][1].destroy()

    def refresh(self, handle):
        self.handles[handle][1].refresh()

    def get(self, handle, kind, uuid, sees):
        self.handles[handle] = kind, CLASSES[kind].get(CONTEXTS[sees], uuid)

    def get_by_name(self, handle, kind, name, sees):
        self.handles[handle] = kind, CLASSES[kind].get_by_name(CONTEXTS[sees], name)

    def list(self, kind, sees, marker=None, **asked):
        if marker in self.handles:
            marker = self.handles[marker][1]
        found = CLASSES[kind].list(CONTEXTS[sees], marker=marker, **asked)
        return [visible(obj, kind) for obj in found]

    def iterate(self, kind, sees, **asked):
        found = CLASSES[kind].iterate(CONTEXTS[sees], **asked)
        return [visible(obj, kind) for obj in found]

    def begin(self):
        group = db.transaction()
        group.__enter__()
        self.open.append(group)

    def end(self, commits):
        group = self.open.pop()
        if commits:
            group.__exit__(None, None, None)
        else:
            with contextlib.suppress(Rollback):
                group.__exit__(Rollback, Rollback(), None)

    def abandon(self):
        while self.open:
            self.end(commits=False)

    def do(self, verb, arguments, by_other=False):
        """Return the result, the events, and what is visible afterwards.

        The other is a thread, whose connection is in no transaction.
        """
        self.events = []
        call = functools.partial(getattr(self, verb), **arguments)
        try:
            came = self.other.submit(call).result() if by_other else call()
        except exception.DatabaseUnavailable as error:
            # The messages about a lock differ.
            came = type(error).__name__, ""
        except Exception as error:
            came = type(error).__name__, str(error)
        return came, self.events, self.seen()


def _serve(url, pipe):
    backend.LOCK_TIMEOUT = LOCK_TIMEOUT[sa.make_url(url).get_backend_name()]
    db.configure(url, retry_for=0)
    migration.upgrade()
    actor = Actor()
    while call := pipe.recv():
        pipe.send(actor.do(*call))
    actor.abandon()
    db.dispose()


@contextlib.contextmanager
def started(url):
    """Yield the pipe to a process that has this database."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "psycopg", "pymysql"])
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(url, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
        ours.send(None)
    finally:
        ours.close()
        process.join(20)
        if process.is_alive():
            process.kill()
