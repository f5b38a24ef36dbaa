# SPDX-License-Identifier: Apache-2.0
"""What sequences of calls are drawn from, and the objects that are made for them."""

import uuid

from hypothesis import strategies as st

NAMES = st.sampled_from(["a", "A", "a ", "ä", "\U0001f600"])
HOSTS = st.sampled_from([None, "", "a", "B", "ä"])
#: Handles, and from which on they are those of another writer, who is in no transaction.
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
