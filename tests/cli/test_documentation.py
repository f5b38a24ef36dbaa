# SPDX-License-Identifier: Apache-2.0
"""The page of the commands."""

import re
from pathlib import Path

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from watcher_objects.cli.app import COMMANDS, WatcherObjects

PAGE = Path(__file__).parents[2] / "docs" / "commands.rst"


class Plain(Command):
    """A command that has no options of its own."""

    def take_action(self, parsed_args):
        """Do nothing."""


class PlainList(Plain, Lister):
    """A list that has none."""


class PlainShow(Plain, ShowOne):
    """An object shown that has none."""


def options(command, app):
    """Return the options of a command, in their long form."""
    parser = command(app, None, cmd_name="plain").get_parser("plain")
    return {o for action in parser._actions for o in action.option_strings if o[:2] == "--"}


def test_the_page_documents_every_command_and_its_options():
    app = WatcherObjects()
    documented = {}
    for heading, text in re.findall(r"^(``.*``)\n((?:   .*\n)+)", PAGE.read_text(), flags=re.M):
        for name in re.findall("``(.+?)``", heading):
            documented[name] = set(re.findall(r"``(--[a-z-]+)", text))
    assert documented.keys() == COMMANDS.keys() | {"help", "complete"}
    plain = set.union(*(options(base, app) for base in (PlainList, PlainShow)))
    for name, command in COMMANDS.items():
        own = options(command, app) - plain
        assert own <= documented[name], name
        # Options that several commands share are documented once.
        alike = {n for n in COMMANDS if documented[n] == documented[name]}
        assert documented[name] <= set.union(*(options(COMMANDS[n], app) for n in alike)), name
