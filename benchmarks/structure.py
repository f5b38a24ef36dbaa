# SPDX-License-Identifier: Apache-2.0
"""The size of the source, and the length of the way from a call to its statement.

``python -m benchmarks.structure`` prints both as JSON; run it in two checkouts to compare them.
"""

import ast
import io
import json
import re
import statistics
import sys
import tempfile
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SOURCES = ("watcher_objects", "migrations", "tests", "benchmarks")
#: Literals that ask which database it is.
_DIALECTS = re.compile(r"""["'](?:sqlite|postgresql|mysql|mariadb)["']""")
_NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}


def code_lines(text: str) -> int:
    """Return the number of lines without blanks, comments and docstrings."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE | {tokenize.ENDMARKER}:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines -= {*range(node.lineno, (node.end_lineno or 0) + 1)}
    return len(lines)


def functions(text: str) -> Iterator[int]:
    """Yield the length of each function, from its first line to its last."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (node.end_lineno or 0) - node.lineno + 1


def sizes() -> dict[str, Any]:
    """Return the figures of each top-level folder and of each package in the library."""
    found: dict[str, Any] = {}
    for path in sorted(p for folder in SOURCES for p in (ROOT / folder).rglob("*.py")):
        text, parts = path.read_text(), path.relative_to(ROOT).parts[:-1]
        for name in {parts[0], "/".join(parts[:3])}:
            one = found.setdefault(name, {"modules": 0, "lines": 0, "code": 0, "functions": []})
            one["modules"] += 1
            one["lines"] += text.count("\n")
            one["code"] += code_lines(text)
            one["functions"] += functions(text)
    for one in found.values():
        lengths = one.pop("functions") or [0]
        one |= {"median function": statistics.median(lengths), "longest": max(lengths)}
    return found


def dialect_literals() -> dict[str, int]:
    """Return how often modules ask which database it is, except for dialects and URLs."""
    root = ROOT / "watcher_objects"
    found = {p: len(_DIALECTS.findall(p.read_text())) for p in root.rglob("*.py")}
    return {
        str(path.relative_to(root)): number
        for path, number in sorted(found.items())
        if number and "dialects" not in path.parts and path.name != "urls.py"
    }


def private_methods() -> int:
    """Return the number of methods of our own that have oslo.versionedobjects' prefix."""
    texts = (path.read_text() for path in (ROOT / "watcher_objects").rglob("*.py"))
    return sum(text.count("def _obj_") for text in texts)


def layers() -> int:
    """Return the number of layers that the README lists."""
    listed = re.findall(
        r"^ +(\d+)(?:\.\d)? +\w[\w., ]+  ", (ROOT / "README.rst").read_text(), re.M
    )
    return len({*listed})


def walked(call: Callable[[], Any]) -> dict[str, int]:
    """Return how many functions of the library a call runs, and in how many files they are."""
    calls: list[tuple[str, str]] = []

    def note(frame: Any, event: str, argument: Any) -> None:
        name = frame.f_code.co_filename
        # Not what is generated, which nobody has to read.
        is_ours = "/watcher_objects/" in name and "site-packages" not in name
        if event == "call" and is_ours:
            calls.append((name, frame.f_code.co_qualname))

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return {
        "calls": len(calls),
        "functions": len({*calls}),
        "files": len({name for name, _ in calls}),
    }


def walks() -> dict[str, dict[str, int]]:
    """Return the lengths of the ways, when all that is built once has been built."""
    from oslo_context.context import RequestContext

    from watcher_objects import Audit, Goal, db
    from watcher_objects.db import migration

    context = RequestContext()
    with tempfile.TemporaryDirectory() as folder:
        db.configure(f"sqlite:///{folder}/walks.sqlite")
        migration.upgrade()
        goal = Goal(context, name="goal", display_name="goal", efficacy_specification=[])
        goal.create()
        audits = [Audit(context, name=f"a{n}", audit_type="ONESHOT", goal=goal) for n in range(3)]
        loaded = Audit.get

        def save(audit: Any) -> None:
            audit.state = "ONGOING"
            audit.save()

        ways: dict[str, Callable[[Any], Any]] = {
            "create": lambda audit: audit.create(),
            "save a state": save,
            "get": lambda audit: loaded(context, audit.uuid),
            "list": lambda audit: Audit.list(context, filters={"state": "ONGOING"}, limit=20),
            "to an older version": lambda audit: audit.obj_to_primitive(target_version="1.3"),
        }
        found = {}
        for name, way in ways.items():
            # Warm first.
            way(audits[0])
            way(audits[1])
            found[name] = walked(lambda way=way: way(audits[2]))
        db.dispose()
        return found


if __name__ == "__main__":
    figures = {
        "sizes": sizes(),
        "layers": layers(),
        "dialect literals": sum(dialect_literals().values()),
        "_obj_ methods": private_methods(),
        "walks": walks(),
    }
    print(json.dumps(figures, indent=1))
