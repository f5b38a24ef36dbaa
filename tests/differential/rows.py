# SPDX-License-Identifier: Apache-2.0
"""The rows that the model has stored: who sees which, and what they may become."""

from tests.differential.rules import MOVES, OPERATORS, Refused, failed


class Rows:
    """All rows; and those that are seen outside of an open transaction, if that is who asks."""

    def __init__(self):
        self.rows, self.outside = [], None

    def _rows(self, kind, sees):
        rows = self.rows if self.outside is None else self.outside
        return [r for r in rows if r["kind"] == kind and (sees or not r["deleted_at"])]

    def _row(self, kind, uuid, sees):
        for row in self._rows(kind, sees):
            if row["uuid"] == uuid:
                return row
        raise Refused(failed(kind, "NotFound"))

    def _check_keys(self, row):
        """Refuse a row whose uuid or name another has, or that refers to what there is not."""
        others = [r for r in self.rows if r["kind"] == row["kind"] and r["id"] != row["id"]]
        names = () if row["deleted_at"] else [r.get("name") for r in others if not r["deleted_at"]]
        if row.get("name", "") in names or row["uuid"] in (r["uuid"] for r in others):
            raise Refused(failed(row["kind"], "AlreadyExists"), spoils=True)
        for name in row:
            kind = name.removesuffix("_id")
            if kind != name and self._related(row, kind) is None:
                raise Refused(failed(kind, "NotFound"), spoils=True)

    def _related(self, row, kind):
        rows = self._rows(kind, sees=True)
        return next((r for r in rows if r["id"] == row[f"{kind}_id"]), None)

    def _left(self, row, new):
        """Return the state that a row leaves for this one."""
        again = (row["state"], new, row.get("audit_type")) == ("SUCCEEDED", "ONGOING", "EVENT")
        if new not in MOVES[row["kind"]][row["state"]] and not again:
            raise Refused("InvalidStateTransition")
        return row["state"]

    def _meets(self, row, filters):
        for name, asked in filters.items():
            field, _, sign = name.partition("__")
            if not OPERATORS[sign or "eq"](self._value(row, field), asked):
                return False
        return True

    def _value(self, row, field):
        """Return what a row has in a field, or one that it is related to, at any distance."""
        for kind in (name.removesuffix("_id") for name in row if name.endswith("_id")):
            if field.startswith(f"{kind}_") and field not in row:
                return self._value(self._related(row, kind), field.removeprefix(f"{kind}_"))
        return row[field]
