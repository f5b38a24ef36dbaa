# SPDX-License-Identifier: Apache-2.0
"""The same random sequences of calls on all databases, and on a model: one answer only."""

import contextlib
import os
import uuid

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run

from tests import servers
from tests.differential import worker
from tests.differential.model import CLASSES, MOVES, Model, exact

#: How many sequences; more of them find more.
SEQUENCES = int(os.environ.get("WATCHER_OBJECTS_TEST_SEQUENCES", "40"))


NAMES = st.sampled_from(["a", "A", "a ", "ä", "\U0001f600"])
HOSTS = st.sampled_from([None, "", "a", "B", "ä"])
#: Handles, and the first of those of another writer, which is in no transaction.
HANDLES, OTHERS = st.integers(0, 7), 6
KINDS = st.sampled_from(["goal", "audit", "audit", "action_plan", "action"])
NAMED = ("goal", "audit")
HOSTED = ("audit", "action_plan")
WRITES = {"create", "create_many", "save", "soft_delete", "destroy"}
#: What lists are asked for: filters, also of related rows, and keys to sort by.
ASKED = {
    "audit": (
        ("hostname", "hostname__neq", "state__notin", "name__gt", "goal_name", "name__in"),
        ("id", "name", "hostname", "state"),
    ),
    "action_plan": (
        ("hostname__gt", "audit_name", "audit_hostname__neq", "audit_goal_name__in"),
        ("id", "hostname", "state"),
    ),
    "action": (
        ("action_type", "action_plan_hostname__lte", "action_plan_audit_name__in"),
        ("id", "action_type", "state"),
    ),
}
LISTS = st.sampled_from(sorted(ASKED)).flatmap(
    lambda kind: st.fixed_dictionaries(
        {
            "kind": st.just(kind),
            "filters": st.dictionaries(st.sampled_from(ASKED[kind][0]), NAMES, max_size=2).map(
                lambda given: {n: [v] if n.endswith("in") else v for n, v in given.items()}
            ),
            "sort_key": st.sampled_from(ASKED[kind][1]),
            "sort_dir": st.sampled_from(["asc", "desc"]),
            "sees": st.booleans(),
        }
    )
)


class Maker:
    """Makes what objects are built of, each with an id and a uuid of its own."""

    def goal(self, name):
        self.made += 1
        return {"id": self.made, "uuid": self.uuid(), "name": name, "display_name": name}

    def audit(self, name, host, kind, goal):
        self.made += 1
        return {
            "id": self.made,
            "uuid": self.uuid(),
            "name": name,
            "audit_type": kind,
            "hostname": host,
            "goal_id": goal,
            "parameters": {"one": 1},
        }

    def plan(self, host, number=0):
        self.made += 1
        return {
            "id": self.made,
            "uuid": self.uuid(),
            "audit_id": self.ident("audit", number),
            "strategy_id": self.ident("strategy", 0),
            "hostname": host,
        }

    def action(self, name, number=0):
        plan = self.ident("action_plan", number)
        return {"uuid": self.uuid(), "action_plan_id": plan, "action_type": name}

    def ident(self, kind, number):
        """Return the id of a row of a kind, or one that is none's."""
        idents = [row["id"] for row in self.rows(kind)] or [4711]
        return 4711 if number == 20 else idents[number % len(idents)]

    def rows(self, *kinds):
        return [row for row in self.model.rows if row["kind"] in kinds]

    def uuid(self):
        self.made += 1
        return str(uuid.UUID(int=self.made))


class Machine(Maker, RuleBasedStateMachine):
    """What callers do; every answer is compared."""

    pipes = {}

    @initialize()
    def start(self):
        self.model, self.made = Model(), 0
        for pipe in self.pipes.values():
            pipe.send(("reset", {}))
        for pipe in self.pipes.values():
            pipe.recv()
        self.do("build", handle=0, kind="goal", given=self.goal("first"))
        self.do("create", handle=0)
        self.do("build", handle=1, kind="strategy", given={**self.goal("only"), "goal_id": 1})
        self.do("create", handle=1)
        self.do("build", handle=1, kind="audit", given=self.audit("b", "a", "EVENT", 1))
        self.do("create", handle=1)
        plan = {**self.plan("a"), "state": "SUPERSEDED"}
        self.do("build", handle=3, kind="action_plan", given=plan)
        self.do("create", handle=3)
        for number in (4, 5):
            self.do("build", handle=number, kind="action", given=self.action("a"))
        self.do("create_many", kind="action", handles=[4, 5])
        (audit,) = self.rows("audit")
        for number in (2, OTHERS):
            self.do("get", handle=number, kind="audit", uuid=audit["uuid"], sees=False)

    def do(self, verb, by_other=None, **arguments):
        """Do it everywhere, and compare the results, the events and what is visible."""
        by_other = arguments.get("handle", 0) >= OTHERS if by_other is None else by_other
        if by_other and self.model.levels and verb in WRITES and not self.meets(verb, **arguments):
            return
        asked = verb, arguments, by_other
        due = self.model.do(*asked)
        for pipe in self.pipes.values():
            pipe.send(asked)
        answers = {kind: pipe.recv() for kind, pipe in self.pipes.items()}
        words = {kind: exact(came) for kind, (came, *_) in answers.items()}
        assert len({*words.values()}) == 1, f"{asked}: {words}"
        for kind, (came, published, seen) in answers.items():
            name = came[0] if isinstance(came, tuple) else came
            found = exact((name, published, seen))
            assert found == exact(due), f"{kind} {asked}: {came} {found}, not {exact(due)}"

    def one(self, number, kinds=CLASSES, *, stored=False):
        """Return the name of a handle that there is, of these kinds; None if there is none."""
        fit = [
            name
            for name, handle in sorted(self.model.handles.items())
            if handle.kind in kinds and (handle.row is not None or not stored)
        ]
        return fit[number % len(fit)] if fit else None

    def meets(self, verb, handle=None, **others):
        """Return whether this saves what the transaction has written, and so waits for its lock.

        Which other calls have to wait for a lock is not specified; nor for how long a transaction
        that has failed keeps its locks.
        """
        mine = self.model.handles.get(handle)
        if verb != "save" or mine.row is None or any(lv.spoiled for lv in self.model.levels):
            return False
        if not mine.changed() or "state" in mine.changed():
            return False
        before, now = (
            [r for r in rows if (r["uuid"], r["deleted_at"]) == (mine.values["uuid"], False)]
            for rows in (self.model.levels[0].rows, self.model.rows)
        )
        return bool(before) and before != now

    @rule(number=HANDLES, name=NAMES)
    def build_goal(self, number, name):
        self.do("build", handle=number, kind="goal", given=self.goal(name))

    @rule(
        number=HANDLES,
        name=NAMES,
        host=HOSTS,
        kind=st.sampled_from(["ONESHOT", "EVENT"]),
        goal=st.integers(0, 20),
        twice=st.sampled_from([False, False, False, True]),
    )
    def build_audit(self, number, name, host, kind, goal, twice):
        given = self.audit(name, host, kind, self.ident("goal", goal))
        if twice and (audits := self.rows("audit")):
            given["uuid"] = audits[goal % len(audits)]["uuid"]
        self.do("build", handle=number, kind="audit", given=given)

    @rule(number=HANDLES, host=HOSTS, audit=st.integers(0, 20))
    def build_plan(self, number, host, audit):
        self.do("build", handle=number, kind="action_plan", given=self.plan(host, audit))

    @rule(number=HANDLES, name=NAMES, plan=st.integers(0, 20))
    def build_action(self, number, name, plan):
        self.do("build", handle=number, kind="action", given=self.action(name, plan))

    @rule(number=HANDLES)
    def create(self, number):
        self.do("create", handle=self.one(number))

    @rule(kind=KINDS, numbers=st.lists(HANDLES, unique=True, max_size=3), by_other=st.booleans())
    def create_many(self, kind, numbers, by_other):
        known = {n: handle.kind for n, handle in self.model.handles.items()}
        mine = [n for n in numbers if known.get(n) == kind]
        self.do("create_many", kind=kind, handles=mine, by_other=by_other)

    @rule(number=HANDLES, name=NAMES)
    def rename(self, number, name):
        if (named := self.one(number, NAMED)) is not None:
            self.do("assign", handle=named, field="name", value=name)

    @rule(number=HANDLES, host=HOSTS, saves=st.booleans())
    def move(self, number, host, saves):
        if (hosted := self.one(number, HOSTED)) is not None:
            self.do("assign", handle=hosted, field="hostname", value=host)
            if saves:
                self.do("save", handle=hosted)

    @rule(number=HANDLES, value=st.sampled_from([1, True, None, 1.0, "😀"]))
    def put(self, number, value):
        if (audit := self.one(number, ["audit"])) is not None:
            self.do("put", handle=audit, key="one", value=value)

    @rule(number=HANDLES, state=st.integers(0, 100), saves=st.booleans())
    def become(self, number, state, saves):
        if (moved := self.one(number, MOVES)) is not None:
            states = sorted(MOVES[self.model.handles[moved].kind])
            self.do("assign", handle=moved, field="state", value=states[state % len(states)])
            if saves:
                self.do("save", handle=moved)

    @rule(number=HANDLES)
    def save(self, number):
        self.do("save", handle=self.one(number))

    @rule(number=HANDLES)
    def soft_delete(self, number):
        self.do("soft_delete", handle=self.one(number))

    @rule(number=HANDLES)
    def destroy(self, number):
        if (stored := self.one(number, stored=True)) is not None:
            self.do("destroy", handle=stored)

    @rule(number=HANDLES)
    def refresh(self, number):
        if (stored := self.one(number, stored=True)) is not None:
            self.do("refresh", handle=stored)

    @rule(number=HANDLES, which=st.integers(0, 20), sees=st.booleans())
    def get(self, number, which, sees):
        # The strategy is in no handle, and so is not destroyed.
        rows = self.rows(*CLASSES.keys() - {"strategy"})
        row = rows[which % len(rows)]
        self.do("get", handle=number, kind=row["kind"], uuid=row["uuid"], sees=sees)

    @rule(number=HANDLES, kind=st.sampled_from(NAMED), name=NAMES, sees=st.booleans())
    def get_by_name(self, number, kind, name, sees):
        self.do("get_by_name", handle=number, kind=kind, name=name, sees=sees)

    @rule(
        asked=LISTS,
        limit=st.sampled_from([None, 1, 2]),
        marker=st.none() | HANDLES,
        by_uuid=st.booleans(),
        by_other=st.booleans(),
    )
    def list(self, asked, limit, marker, by_uuid, by_other):
        mine = self.model.handles.get(marker)
        there = {(r["uuid"], r["id"]) for r in self.rows(asked["kind"])}
        if mine is None or (mine.values["uuid"], mine.row) not in there:
            marker = None
        elif by_uuid:
            marker = mine.values["uuid"]
        self.do("list", by_other=by_other, limit=limit, marker=marker, **asked)

    @rule(asked=LISTS, batch=st.integers(1, 2), by_other=st.booleans())
    def iterate(self, asked, batch, by_other):
        self.do("iterate", by_other=by_other, batch=batch, **asked)

    @precondition(lambda self: self.model.levels)
    @rule(which=st.integers(0, 20), host=HOSTS)
    def contend(self, which, host):
        """Write a row in the transaction, and then by the other writer."""
        if audits := self.rows("audit"):
            uuid = audits[which % len(audits)]["uuid"]
            for number in (0, OTHERS):
                self.do("get", handle=number, kind="audit", uuid=uuid, sees=False)
                if self.model.handles[number].kind in HOSTED:
                    self.do("assign", handle=number, field="hostname", value=host)
                    self.do("save", handle=number)

    @precondition(lambda self: len(self.model.levels) < 3)
    @rule()
    def begin(self):
        self.do("begin")

    @precondition(lambda self: self.model.levels)
    @rule(commits=st.booleans())
    def end(self, commits):
        self.do("end", commits=commits)

    def teardown(self):
        while self.model.levels:
            self.do("end", commits=False)


def test_all_databases_and_the_model_give_the_same_answers(tmp_path):
    left_out = []
    with contextlib.ExitStack() as stack:
        for kind in servers.KINDS:
            try:
                url = stack.enter_context(servers.scratch(kind, tmp_path, "_same"))
            except pytest.skip.Exception as missing:
                left_out.append(str(missing))
            else:
                Machine.pipes[kind] = stack.enter_context(worker.started(url))
        run(Machine, settings=settings(max_examples=SEQUENCES, stateful_step_count=40))
    if left_out:
        pytest.skip(f"the others gave the same answers, but there is {'; '.join(left_out)}")
