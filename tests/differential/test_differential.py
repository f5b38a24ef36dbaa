# SPDX-License-Identifier: Apache-2.0
"""The same random sequences of calls on all databases, and on a model: one answer only."""

import contextlib
import os
import uuid
import warnings

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run

from tests import servers
from tests.differential import worker
from tests.differential.model import MOVES, Model, exact

#: How many sequences; more of them find more.
EXAMPLES = int(os.environ.get("WATCHER_OBJECTS_TEST_SEQUENCES", "40"))
NAMES = st.sampled_from(["a", "A", "a ", "ä", "\U0001f600"])
HOSTS = st.sampled_from([None, "", "a", "B", "ä"])
HANDLES = st.integers(0, 5)
KINDS = st.sampled_from(["goal", "audit", "audit"])
FILTERS = st.dictionaries(
    st.sampled_from(
        ["hostname", "hostname__neq", "state__notin", "name__gt", "goal_name", "name__in"]
    ),
    NAMES,
    max_size=2,
)


class Machine(RuleBasedStateMachine):
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
        self.do("build", handle=1, kind="audit", given=self.audit("b", "a", "EVENT", 1))
        self.do("create", handle=1)
        self.do("get", handle=2, kind="audit", uuid=self.model.rows[1]["uuid"], sees=False)

    def do(self, verb, **arguments):
        """Let everybody do it, and compare what came of it, what was told and what is seen."""
        for pipe in self.pipes.values():
            pipe.send((verb, arguments))
        due = self.model.do(verb, arguments)
        answers = {kind: pipe.recv() for kind, pipe in self.pipes.items()}
        words = {kind: exact(came) for kind, (came, *_) in answers.items()}
        assert len({*words.values()}) == 1, f"{verb} {arguments}: {words}"
        for kind, (came, told, seen) in answers.items():
            name = came[0] if isinstance(came, tuple) else came
            found = exact((name, told, seen))
            assert found == exact(due), (
                f"{kind} {verb} {arguments}: {came} {found}, not {exact(due)}"
            )

    def goal(self, name):
        self.made += 1
        return {"id": self.made, "uuid": self.uuid(), "name": name, "display_name": name}

    def audit(self, name, host, kind, goal):
        return {
            "uuid": self.uuid(),
            "name": name,
            "audit_type": kind,
            "hostname": host,
            "goal_id": goal,
            "parameters": {"one": 1},
        }

    def uuid(self):
        self.made += 1
        return str(uuid.UUID(int=self.made))

    def one(self, number, kind=None, *, stored=False):
        """Return the name of a handle that there is, of a kind; None if there is none."""
        fit = [
            name
            for name, handle in sorted(self.model.handles.items())
            if handle.kind == (kind or handle.kind) and (handle.row is not None or not stored)
        ]
        return fit[number % len(fit)] if fit else None

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
        goals = [r["id"] for r in self.model.rows if r["kind"] == "goal"] or [4711]
        audits = [r["uuid"] for r in self.model.rows if r["kind"] == "audit"]
        given = self.audit(name, host, kind, 4711 if goal == 20 else goals[goal % len(goals)])
        if twice and audits:
            given["uuid"] = audits[goal % len(audits)]
        self.do("build", handle=number, kind="audit", given=given)

    @rule(number=HANDLES)
    def create(self, number):
        self.do("create", handle=self.one(number))

    @rule(kind=KINDS, numbers=st.lists(HANDLES, unique=True, max_size=3))
    def create_many(self, kind, numbers):
        known = {n: handle.kind for n, handle in self.model.handles.items()}
        self.do("create_many", kind=kind, handles=[n for n in numbers if known.get(n) == kind])

    @rule(number=HANDLES, name=NAMES)
    def rename(self, number, name):
        self.do("assign", handle=self.one(number), field="name", value=name)

    @rule(number=HANDLES, host=HOSTS)
    def move(self, number, host):
        if (audit := self.one(number, "audit")) is not None:
            self.do("assign", handle=audit, field="hostname", value=host)

    @rule(number=HANDLES, value=st.sampled_from([1, True, None, 1.0, "😀"]))
    def put(self, number, value):
        if (audit := self.one(number, "audit")) is not None:
            self.do("put", handle=audit, key="one", value=value)

    @rule(number=HANDLES, state=st.sampled_from(sorted(MOVES)), saves=st.booleans())
    def become(self, number, state, saves):
        if (audit := self.one(number, "audit", stored=True)) is not None:
            self.do("assign", handle=audit, field="state", value=state)
            if saves:
                self.do("save", handle=audit)

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
        rows = self.model.rows or [{"kind": "goal", "uuid": str(uuid.UUID(int=0))}]
        row = rows[which % len(rows)]
        self.do("get", handle=number, kind=row["kind"], uuid=row["uuid"], sees=sees)

    @rule(number=HANDLES, kind=KINDS, name=NAMES, sees=st.booleans())
    def get_by_name(self, number, kind, name, sees):
        self.do("get_by_name", handle=number, kind=kind, name=name, sees=sees)

    @rule(
        sees=st.booleans(),
        filters=FILTERS,
        sort_key=st.sampled_from(["id", "name", "hostname", "state"]),
        sort_dir=st.sampled_from(["asc", "desc"]),
        limit=st.sampled_from([None, 1, 2]),
        marker=st.none() | HANDLES,
        by_uuid=st.booleans(),
    )
    def list(self, sees, filters, marker, by_uuid, **asked):
        filters = {n: [v] if n.endswith("in") else v for n, v in filters.items()}
        mine = self.model.handles.get(marker)
        there = {(r["uuid"], r["number"]) for r in self.model.rows if r["kind"] == "audit"}
        if mine is None or (mine.values["uuid"], mine.row) not in there:
            marker = None
        elif by_uuid:
            marker = mine.values["uuid"]
        self.do("list", kind="audit", sees=sees, filters=filters, marker=marker, **asked)

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
    with contextlib.ExitStack() as stack:
        for kind in servers.KINDS:
            try:
                url = stack.enter_context(servers.scratch(kind, tmp_path, "_same"))
            except pytest.skip.Exception as skipped:
                warnings.warn(f"left out: {skipped}", stacklevel=1)
                continue
            Machine.pipes[kind] = stack.enter_context(worker.started(url))
        checks = settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            suppress_health_check=[*HealthCheck],
        )
        run(Machine, settings=checks)
