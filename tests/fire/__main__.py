# SPDX-License-Identifier: Apache-2.0
"""The long tier: ``python -m tests.fire --help``."""

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import prettytable
import sqlalchemy as sa

from tests import servers
from tests.fire.arena import Report, Run
from tests.fire.scenarios import SCENARIOS
from watcher_objects.testing import database as databases

NAME = f"watcher_objects_fire_{os.getpid()}"
#: Findings that are shown in full.
SHOWN = 10


def options(argv: Sequence[str]) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        "python -m tests.fire",
        description="Put the objects under fire, on databases made for that and dropped again, "
        "and judge what came of it. The exit code is 1 where anything was wrong.",
    )
    parser.add_argument(
        "--database",
        nargs="+",
        metavar="URL",
        default=["sqlite://", *servers.SERVERS.values()],
        help="servers on which the account may create databases, or sqlite:// for a file; "
        "the nodes of one cluster are one argument, with commas between",
    )
    parser.add_argument(
        "--scenario", nargs="+", choices=SCENARIOS, default=[*SCENARIOS], help="default: all"
    )
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--audits", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=2_000, help="of each process, in a mix")
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--patience", type=int, default=3_600, help="in seconds, for a scenario")
    parser.add_argument("--subject", choices=["ours", "peer"], default="ours")
    parser.add_argument(
        "--peer",
        metavar="PYTHON",
        help="do the same to OpenStack Watcher's objects, by the Python of their environment; "
        "what is wrong with them is shown only",
    )
    return parser.parse_args(argv)


@contextmanager
def target(nodes: Sequence[str]) -> Iterator[Sequence[str]]:
    """Make a database with our schema, and lend its URL on each of the nodes."""
    if sa.make_url(nodes[0]).get_backend_name() == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield _upgraded([f"sqlite:///{Path(folder) / NAME}"])
        return
    with servers.created(nodes[0], NAME):
        places = [sa.make_url(node).set(database=NAME) for node in nodes]
        yield _upgraded([place.render_as_string(hide_password=False) for place in places])


def _upgraded(urls: Sequence[str]) -> Sequence[str]:
    databases.upgraded(urls[0])
    return urls


def report(asked: argparse.Namespace, nodes: Sequence[str]) -> list[Report]:
    """Run the scenarios on one database, and print what came of them."""
    reports = []
    with target(nodes) as urls:
        names = {field.name for field in dataclasses.fields(Run)} & vars(asked).keys()
        run = Run(urls, **{name: getattr(asked, name) for name in names})
        reports = [SCENARIOS[name](run) for name in asked.scenario]
    shown = [sa.make_url(node).render_as_string(hide_password=True) for node in nodes]
    print(f"\n{asked.subject} on {', '.join(shown)}")
    print(_table(reports), flush=True)
    for one in reports:
        for kind, number in one.kinds().items():
            print(f"{one.scenario}: {number} x {kind}")
        for finding in one.findings[:SHOWN]:
            print(f"  {finding.kind}: {finding.audit} {finding.told}")
    return reports


def _table(reports: Sequence[Report]) -> prettytable.PrettyTable:
    columns = [*dict.fromkeys(name for one in reports for name in one.figures)]
    table = prettytable.PrettyTable(["scenario", *columns], align="r")
    for one in reports:
        table.add_row([one.scenario, *(one.figures.get(name, "") for name in columns)])
    return table


def main(argv: Sequence[str]) -> int:
    """Run what the command line asks for, and return the exit code."""
    asked = options(argv)
    all_reports = [r for urls in asked.database for r in report(asked, urls.split(","))]
    if asked.peer:
        again = [word for word in argv if not word.startswith("--peer") and word != asked.peer]
        command = [asked.peer, "-W", "ignore", "-m", "tests.fire", *again, "--subject", "peer"]
        subprocess.run(command, check=False)  # noqa: S603 - the user's own interpreter
    return int(any(one.findings for one in all_reports))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
