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

import pytest
import sqlalchemy as sa

from tests.chaos import instances
from tests.chaos.harness import Report, Run
from tests.chaos.scenarios import SCENARIOS

#: Findings that are shown in full.
SHOWN = 10


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m tests.chaos",
        description="Test the objects in chaos, on databases that are created for that and "
        "dropped again, and check the result. The exit code is 1 where anything was wrong.",
    )
    parser.add_argument(
        "--database",
        nargs="+",
        metavar="DATABASE",
        default=instances.OWN,
        help=f"{', '.join(instances.OWN)}: temporary ones (default: all); or URLs of servers on "
        "which the account may create databases, those of the nodes of one cluster separated "
        "by commas",
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


def run(options: argparse.Namespace, database: str, name: str) -> Report:
    """Run a scenario on a database."""
    scenario = SCENARIOS[name]
    if scenario.needs not in instances.offered(database):
        return Report(f"{name}: not run, needs {scenario.needs}", {}, [])
    names = {field.name for field in dataclasses.fields(Run)} & vars(options).keys()
    with instances.target(database) as target:
        return scenario.run(Run(*target, **{name: getattr(options, name) for name in names}))


def show(options: argparse.Namespace, database: str, report: Report) -> None:
    """Print a report, and add it to the file."""
    if database not in instances.OWN:
        database = ",".join(sa.make_url(url).render_as_string() for url in database.split(","))
    print(f"{options.subject} on {database}: {report.scenario}")
    for name, figure in report.figures.items():
        print(f"{figure:>12} {name}")
    for kind, number in report.kinds().items():
        print(f"  {number} x {kind}")
    for finding in report.findings[:SHOWN]:
        print(f"  {finding.kind}: {finding.audit} {finding.detail}")
    sys.stdout.flush()
    if options.json:
        line = {"subject": options.subject, "database": database, "scenario": report.scenario}
        with options.json.open("a") as file:
            file.write(json.dumps({**line, **report.figures, "found": report.kinds()}) + "\n")


def main(argv: Sequence[str]) -> int:
    """Run what the command line says, and return the exit code."""
    options = parse(argv)
    is_wrong = False
    for database in options.database:
        try:
            for name in options.scenario:
                report = run(options, database, name)
                show(options, database, report)
                is_wrong |= bool(report.findings)
        except pytest.skip.Exception as error:
            print(f"{database}: {error}")
            is_wrong = True
    if options.peer:
        again = [word for word in argv if not word.startswith("--peer") and word != options.peer]
        command = [options.peer, "-W", "ignore", "-m", "tests.chaos", *again, "--subject", "peer"]
        subprocess.run(command, check=False)  # noqa: S603 - the user's own interpreter
    return int(is_wrong)


if __name__ == "__main__":
    # End the servers and processes, too.
    signal.signal(signal.SIGTERM, lambda *received: sys.exit(1))
    sys.exit(main(sys.argv[1:]))
