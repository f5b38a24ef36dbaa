# SPDX-License-Identifier: Apache-2.0
"""What differs between Watcher alone and Watcher on our objects, and why."""

import difflib
import re
from typing import NamedTuple

from tests.deployment.deployment import RELEASE
from tests.deployment.report import Report


class Difference(NamedTuple):
    """What differs on purpose: in which facts, and how ours follows from Watcher's.

    The first three are regular expressions and a replacement; ``since`` is a release of Watcher.
    """

    facts: str
    watcher: str
    ours: str
    reason: str
    since: int = 15

    def expected(self, fact, watcher):
        """Return what a fact should be on our objects, given what it is with Watcher alone."""
        if not re.fullmatch(self.facts, fact):
            return watcher
        return re.sub(self.watcher, self.ours, watcher)


WORDING = "The wording is that of this library's errors."
CANCELLED = (
    "An audit that is cancelled while it runs stays cancelled. Watcher's engine overwrites the "
    "state when it has finished."
)
EVENT = (
    "An EVENT audit ends as SUCCEEDED each time. With Watcher alone, its second run leaves it "
    "ONGOING, and its webhook is then rejected."
)
DIFFERENCES = (
    Difference(
        "notifications of audit .*",
        r"(audit\.(?:strategy|planner)\.\w+) (?:PENDING|SUCCEEDED)",
        r"\1 ONGOING",
        "A notification during a run has the state that the audit has, not the one before.",
        16,
    ),
    Difference("event: GET .*", '"ONGOING"', '"SUCCEEDED"', EVENT, 16),
    Difference(
        "event: POST .*", '400 "Audit state ONGOING is disallowed."', "202 null", EVENT, 16
    ),
    Difference("audit event", r"^ONGOING; ([^;]*); \1$", r"SUCCEEDED; \1; \1; \1", EVENT, 16),
    Difference(
        "notifications of audit event",
        "^(audit.create PENDING)(.*SUCCEEDED).*",
        r"\1\2\2\2",
        EVENT,
        16,
    ),
    Difference("audit_cancelled: GET .*", '"SUCCEEDED"', '"CANCELLED"', CANCELLED),
    Difference("audit cancelled", "^SUCCEEDED", "CANCELLED", CANCELLED),
    Difference("notifications of audit cancelled", ", audit.update SUCCEEDED", "", CANCELLED),
    Difference(
        "notifications of audit interrupted",
        "$",
        ", audit.update CANCELLED",
        "An engine that starts again cancels the audits it ran. Watcher's fails to notify, ends, "
        "and is started again for each of them.",
    ),
    Difference(
        "changes: PATCH .*",
        '500 "Field `name\' cannot be None"',
        '400 "name must have a value, got None"',
        "A name that is removed is the client's error.",
    ),
    Difference(".*", r"\b(Action|Audit|Goal|Strategy) (\S+) could not be", r"\1 \2 not", WORDING),
    Difference(".*", r"\bActionPlan (\S+) could not be", r"Action plan \1 not", WORDING),
    Difference(".*", r"\bAuditTemplate (\S+) could not be", r"Audit template \1 not", WORDING),
    Difference(".*", r"\bScoringEngine (\S+) could not be", r"Scoring engine \1 not", WORDING),
    Difference(".*", r"\bThe service (\S+) cannot be found\.", r"Service \1 not found", WORDING),
    Difference(
        ".*",
        r"\bAn audit(_template)? with UUID or name (\S+) already exists",
        r"Audit\1 \2 already exists: its name is taken",
        WORDING,
    ),
    Difference(".*", '409 "Audit_', '409 "Audit ', WORDING),
)


class Comparison(NamedTuple):
    """The reports of both deployments."""

    watcher: Report
    ours: Report

    def unexpected(self):
        """Return the facts that differ otherwise than listed, and what is listed in vain."""
        watcher, ours = self.watcher.facts, self.ours.facts
        listed = [d for d in DIFFERENCES if d.since <= RELEASE]
        found, unused = [], {*listed}
        for fact in sorted(watcher.keys() | ours.keys()):
            expected = watcher.get(fact, "")
            for difference in listed:
                before, expected = expected, difference.expected(fact, expected)
                if before != expected:
                    unused.discard(difference)
            texts = expected.splitlines(), ours.get(fact, "").splitlines()
            if diff := "\n".join(difflib.unified_diff(*texts, "expected", "found", n=1)):
                found.append(f"{fact}\n{diff}")
        return [*found, *(f"not found: {difference}" for difference in unused)]

    def table(self):
        """Return the figures as text."""
        watcher, ours = self.watcher, self.ours
        rows = [
            ("", "Watcher", "ours"),
            ("calls during the database restart", watcher.calls, ours.calls),
            ("... failed", watcher.failed_calls, ours.failed_calls),
            ("services that ended by themselves", watcher.failures, ours.failures),
            ("audits run twice", len(watcher.run_twice), len(ours.run_twice)),
            ("notifications", len(watcher.notifications), len(ours.notifications)),
            ("... with a wrong old state", watcher.wrong_old_states, ours.wrong_old_states),
        ]
        for name, unit in (("errors", ""), ("memory", " MB"), ("latency", " ms, n, median, max")):
            before, after = getattr(watcher, name), getattr(ours, name)
            rows += [
                (f"{name} {key}{unit}", before.get(key, 0), after.get(key, 0))
                for key in sorted(before.keys() | after.keys())
            ]
        lines = [f"{name:<66}{theirs!s:>20}{own!s:>20}\n" for name, theirs, own in rows]
        for difference in DIFFERENCES:
            lines.append("{} | {} | {}\n    {} (since {})\n".format(*difference))
        return "".join(lines)
