# SPDX-License-Identifier: Apache-2.0
"""Compare these objects with Watcher's, with two ORMs and with the bare drivers.

``python -m benchmarks`` makes an environment for each of them, checks on each database that can
be reached that they give the same answers, and times them. See docs/performance.rst.
"""

import argparse
import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import (
    agreement,
    backlog,
    claims,
    concurrency,
    growth,
    imports,
    jobs,
    memory,
    merges,
    processes,
    rounds,
    sql,
    wakeups,
)
from benchmarks.bench import Bench
from benchmarks.environments import ALL, OURS, ROOT
from benchmarks.operations import OPS

SERVERS = ("postgresql://postgres@127.0.0.1/", "mysql://root@127.0.0.1/")
#: What can be measured, if it is asked for, in place of the operations.
PARTS = {
    "growth": growth,
    "memory": memory,
    "concurrency": concurrency,
    "merges": merges,
    "claims": claims,
    "jobs": jobs,
    "backlog": backlog,
    "wakeups": wakeups,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=11)
    add("--ops", nargs="+", choices=OPS, default=OPS, metavar="OP", help=", ".join(OPS))
    add("--implementations", nargs="+", choices=ALL, default=list(ALL), metavar="NAME")
    add(
        "--database",
        action="append",
        metavar="URL",
        help="a server, or sqlite:///FOLDER; once for each kind",
    )
    add("--growth", action="store_true", help="measure few rows against many instead")
    add("--rows", type=int, default=1_000_000, help="how many rows are many")
    add("--memory", action="store_true", help="measure bytes per object instead")
    add("--concurrency", action="store_true", help="measure processes that save instead")
    add("--merges", action="store_true", help="measure merges and counters instead")
    add("--claims", action="store_true", help="measure processes that claim instead")
    add("--jobs", action="store_true", help="measure jobs next to job queues instead")
    add("--backlog", action="store_true", help="measure claims among many rows instead")
    add("--wakeups", action="store_true", help="measure from create to claim instead")
    add("--imports", action="store_true", help="measure the first import instead")
    add("--json", type=Path, metavar="FILE", help="write all that was measured")
    add("--environments", type=Path, default=ROOT / ".benchmarks", metavar="FOLDER")
    return parser


def _measured(bench: Bench, bases: Sequence[str], options: Any) -> dict[str, Any]:
    """Run what is asked for, on each database that can be reached."""
    asked = {name: part.run for name, part in PARTS.items() if getattr(options, name)}
    if not asked and not options.imports:
        asked = {"rounds": rounds.run}
    found: dict[str, Any] = {"databases": {}}
    if options.imports:
        found["imports"] = imports.run(bench)
    for base in filter(bench.is_reachable, bases if asked else ()):
        measured = found["databases"].setdefault(bench.kind(base), {})
        for name, run in asked.items():
            print(f"== {bench.kind(base)}: {name}", flush=True)
            measured[name] = run(bench, base, options)
    return found


def _options() -> Any:
    """Return the arguments, and who is compared in the usual order."""
    parser = _parser()
    options = parser.parse_args()
    kinds = [sql.kind(url) for url in options.database or ()]
    if len(set(kinds)) < len(kinds):
        parser.error("name one database of each kind")
    options.implementations = [one for name, one in ALL.items() if name in options.implementations]
    return options


def _write(options: Any, found: dict[str, Any]) -> None:
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


def main() -> None:
    """Measure, print, and write what is asked for."""
    options = _options()
    # Databases are dropped and processes ended then, too.
    signal.signal(signal.SIGTERM, lambda *ignored: sys.exit("ended"))
    bench = Bench(options.environments)
    for one in {OURS, *options.implementations}:
        bench.environments.python(one)
    with tempfile.TemporaryDirectory() as folder:
        bases = options.database or (f"sqlite:///{folder}", *SERVERS)
        try:
            _write(options, _measured(bench, bases, options))
        except agreement.Disagreement as error:
            sys.exit(f"Nothing is timed, since the answers differ:\n{error}")
        except processes.Failed as error:
            sys.exit(str(error))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
