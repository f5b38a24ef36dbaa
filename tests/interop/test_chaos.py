# SPDX-License-Identifier: Apache-2.0
"""What the judge says of Watcher's own objects; so it can say that of ours, too."""

from tests.chaos.checker import Kind
from tests.chaos.harness import Run
from tests.chaos.scenarios import SCENARIOS
from watcher_objects import db
from watcher_objects.db import migration


def judged(url, scenario, **options):
    migration.upgrade()
    db.dispose()
    return SCENARIOS[scenario].run(Run([url], subject="peer", **options)).kinds()


def test_watchers_objects_let_several_claim_one_audit(empty):
    assert Kind.FALSE_CLAIM in judged(empty, "claims", processes=3, audits=30)


def test_watchers_objects_make_illegal_moves_and_soft_delete_in_two_steps(empty):
    kinds = judged(empty, "mix", processes=2, audits=15)
    assert {Kind.ILLEGAL_MOVE, Kind.HALF_WRITTEN} <= kinds.keys()
