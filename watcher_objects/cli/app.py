# SPDX-License-Identifier: Apache-2.0
"""The command ``watcher-objects``, an application of cliff."""

import argparse
import io
import logging
import re
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

try:
    from cliff.app import App
    from cliff.command import Command
    from cliff.commandmanager import CommandManager
except ModuleNotFoundError as error:
    if error.name != "cliff":
        raise
    sys.exit("The command line needs cliff: pip install 'watcher-objects[cli]'")

from watcher_objects import db, exception
from watcher_objects.cli import (
    audit,
    connection,
    database,
    demo,
    entity,
    move,
    purge,
    serve,
    states,
    stats,
    versions,
)

COMMANDS: Mapping[str, type[Command]] = {
    **entity.commands(),
    "audit cancel": move.Cancel,
    "audit create": audit.Create,
    "audit delete": move.Delete,
    "audit resume": move.Resume,
    "audit start": move.Start,
    "audit stats": stats.Stats,
    "audit suspend": move.Suspend,
    "db check": database.Check,
    "db downgrade": database.Downgrade,
    "db history": database.History,
    "db purge": purge.Purge,
    "db stamp": database.Stamp,
    "db upgrade": database.Upgrade,
    "db version": database.Version,
    "demo": demo.Demo,
    "serve": serve.Serve,
    "states": states.States,
    "versions": versions.Versions,
}
# Greedy, to take a password with an @ or a / in it whole; %40 is how SQLAlchemy writes an @.
_PASSWORD = re.compile(r"(://[^:@/\s]*):.+(@|%40)")
_OPTION = re.compile(r"([?&][^=&\s]*pass[^=&\s]*=)[^&\s]+")


def discreet(text: str) -> str:
    """Return a text without the passwords of the URLs in it."""
    return _OPTION.sub(r"\1***", _PASSWORD.sub(r"\1:***\2", text))


class Discreet(logging.Formatter):
    """A formatter that shows no passwords, also not in a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's text."""
        return discreet(super().format(record))


class WatcherObjects(App):
    """The application: what is common to all commands."""

    NAME = "watcher-objects"
    LOG = logging.getLogger(NAME)
    # Warnings only; what alembic and SQLAlchemy tell besides is for -v and -vv.
    DEFAULT_VERBOSE_LEVEL = 0

    def __init__(self) -> None:
        super().__init__(
            description="Look after audits and the database that they are in.",
            version=metadata.version("watcher-objects"),
            command_manager=CommandManager(),
            # Or a --help behind a command would be this application's, not the command's.
            deferred_help=True,
        )
        self.handlers: list[logging.Handler] = []
        for name, command in COMMANDS.items():
            self.command_manager.add_command(name, command)

    def build_option_parser(
        self, description: str | None, version: str | None, argparse_kwargs: Any = None
    ) -> argparse.ArgumentParser:
        """Return the parser of the options that all commands have."""
        parser = super().build_option_parser(description, version, {"prog": self.NAME})
        connection.add_options(parser)
        return parser

    def configure_logging(self) -> None:
        """Log to stderr, and to a file if one was asked for, without passwords."""
        root = logging.getLogger()
        others = list(root.handlers)
        super().configure_logging()
        self.handlers = [handler for handler in root.handlers if handler not in others]
        for handler in self.handlers:
            is_file = isinstance(handler, logging.FileHandler)
            form = self.LOG_FILE_MESSAGE_FORMAT if is_file else self.CONSOLE_MESSAGE_FORMAT
            handler.setFormatter(Discreet(form))

    def initialize_app(self, argv: list[str]) -> None:
        """Refuse a URL in the wrong place: whoever complained about it would show it."""
        if any(discreet(word) != word for word in argv):
            raise exception.Invalid("The URL of a database goes behind --database")

    def interact(self) -> None:
        """Show the help: nobody who gave no command meant to enter a shell."""
        self.run_subcommand(["help"])

    def clean_up(self, cmd: Any, result: int, err: BaseException | None) -> None:
        """Let the database go."""
        db.dispose()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; the process's arguments by default."""
    root = logging.getLogger()
    level = root.level
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that knows less than Unicode shows the rest as escapes.
        sys.stdout.reconfigure(errors="backslashreplace")
    app = WatcherObjects()
    try:
        return app.run(list(sys.argv[1:] if argv is None else argv))
    except exception.WatcherException:
        # Before a command runs, cliff raises with --debug what it has shown already.
        return 1
    finally:
        root.setLevel(level)
        for handler in app.handlers:
            root.removeHandler(handler)
            handler.close()


if __name__ == "__main__":
    sys.exit(main())
