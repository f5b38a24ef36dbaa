# SPDX-License-Identifier: Apache-2.0
"""The long tier: ``python -m tests.chaos --help``."""

import argparse
import dataclasses
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import prettytable
import pytest
import sqlalchemy as sa

from tests.chaos import places
from tests.chaos.arena import Report, Run
from tests.chaos.scenarios import SCENARIOS

#: Findings that are shown in full.
SHOWN = 10


def options(argv: Sequence[str]) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        "python -m tests.chaos",
        description="Test the objects in chaos, on databases created for that and dropped again, "
        "and judge what came of it. The exit code is 1 where anything was wrong.",
    )
    parser.add_argument(
        "--database",
        nargs="+",
        metavar="DATABASE",
        default=places.OWN,
        help=f"{', '.join(places.OWN)}: of our own, and gone afterwards (default: all); or URLs "
        "of servers on which the account may create databases, those of the nodes of one cluster "
        "with commas between",
    )
    parser.add_argument(
        "--scenario", nargs="+", choices=SCENARIOS, default=[*SCENARIOS], help="default: all"
    )
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--audits", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=2_000, help="of each process, in a mix")
    parser.add_argument("--kills", type=int, default=1_000, help="and cuts of the network")
    parser.add_argument("--restarts", type=int, default=10, help="of a server of our own")
    parser.add_argument("--patience", type=int, default=3_600, help="in seconds, for a scenario")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="add each scenario to it, as a line of JSON"
    )
    parser.add_argument("--subject", choices=["ours", "peer"], default="ours")
    parser.add_argument(
        "--peer",
        metavar="PYTHON",
        help="do the same to OpenStack Watcher's objects, by the Python of their environment; "
        "what is wrong with them is shown only",
    )
    return parser.parse_args(argv)


def report(asked: argparse.Namespace, database: str) -> list[Report]:
    """Run the scenarios on one database, and print what came of them."""
    shown = database if database in places.OWN else _without_passwords(database)
    reports = []
    for name in asked.scenario:
        reports.append(_reported(asked, database, name))
        if asked.json:
            _append(asked.json, subject=asked.subject, database=shown, report=reports[-1])
    print(f"\n{asked.subject} on {shown}")
    print(_table(reports), flush=True)
    for one in reports:
        for kind, number in one.kinds().items():
            print(f"{one.scenario}: {number} x {kind}")
        for finding in one.findings[:SHOWN]:
            print(f"  {finding.kind}: {finding.audit} {finding.told}")
    return reports


def _reported(asked: argparse.Namespace, database: str, name: str) -> Report:
    scenario = SCENARIOS[name]
    if scenario.needs not in places.offered(database):
        return Report(f"{name}: not run, needs {scenario.needs}", {}, [])
    names = {field.name for field in dataclasses.fields(Run)} & vars(asked).keys()
    with places.lent(database) as place:
        return scenario.run(Run(*place, **{name: getattr(asked, name) for name in names}))


def _without_passwords(urls: str) -> str:
    return ",".join(sa.make_url(url).render_as_string() for url in urls.split(","))


def _append(path: Path, report: Report, **told: object) -> None:
    line = {**told, "scenario": report.scenario, **report.figures, "found": report.kinds()}
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def _table(reports: Sequence[Report]) -> prettytable.PrettyTable:
    columns = [*dict.fromkeys(name for one in reports for name in one.figures)]
    table = prettytable.PrettyTable(["scenario", *columns], align="r")
    for one in reports:
        table.add_row([one.scenario, *(one.figures.get(name, "-") for name in columns)])
    return table


def main(argv: Sequence[str]) -> int:
    """Run what the command line asks for, and return the exit code."""
    asked = options(argv)
    is_wrong = False
    for database in asked.database:
        try:
            is_wrong |= any(one.findings for one in report(asked, database))
        except pytest.skip.Exception as error:
            print(f"\n{database}: {error}")
            is_wrong = True
    if asked.peer:
        again = [word for word in argv if not word.startswith("--peer") and word != asked.peer]
        command = [asked.peer, "-W", "ignore", "-m", "tests.chaos", *again, "--subject", "peer"]
        subprocess.run(command, check=False)  # noqa: S603 - the user's own interpreter
    return int(is_wrong)


if __name__ == "__main__":
    # Whoever is asked to end takes along what it has started.
    signal.signal(signal.SIGTERM, lambda *received: sys.exit(1))
    sys.exit(main(sys.argv[1:]))
