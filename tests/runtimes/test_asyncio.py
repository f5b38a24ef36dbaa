# SPDX-License-Identifier: Apache-2.0
"""Tasks that make their calls without a thread: ``tests/test_tasks.py`` has what is rejected."""

import asyncio

import pytest

from tests import factory
from watcher_objects import Goal, db

TASKS = 12


@pytest.mark.parametrize("shared_url", ["postgresql", "mariadb"], indirect=True)
def test_transactions_of_tasks_commit_and_roll_back_independently(database, context):
    goals = [factory.stored(Goal, context) for _ in range(TASKS)]

    async def change(number, all_are_inside):
        with db.transaction():
            goals[number].display_name = "changed"
            goals[number].save()
            await all_are_inside.wait()
            if number % 2:
                raise KeyError(number)

    async def run():
        barrier = asyncio.Barrier(TASKS)
        tasks = (change(number, barrier) for number in range(TASKS))
        return await asyncio.gather(*tasks, return_exceptions=True)

    errors = asyncio.run(run())
    assert [type(error) for error in errors] == [type(None), KeyError] * (TASKS // 2)
    stored = [Goal.get(context, goal.id).display_name for goal in goals]
    assert [name == "changed" for name in stored] == [True, False] * (TASKS // 2)
