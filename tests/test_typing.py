# SPDX-License-Identifier: Apache-2.0
"""What type checkers know of the objects, without a plugin."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests import stubs
from tests.documents import ROOT

ENGINE = ROOT / "tests/data/typed_engine.py"
_ERROR = re.compile(rf"^{re.escape(str(ENGINE))}:(\d+): error: (.*)$", flags=re.MULTILINE)


def run(*program, **options):
    done = subprocess.run(  # noqa: S603 - the checkers
        [sys.executable, "-m", *program], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 1, done.stderr or done.stdout
    return done.stdout


def mypy(folder):
    """Run mypy without our configuration, in an empty folder; yield lines and messages."""
    options = ["--strict", "--config-file=", "--no-error-summary", "--follow-imports=silent"]
    path = {**os.environ, "MYPYPATH": str(ROOT)}
    for line, message in _ERROR.findall(run("mypy", *options, str(ENGINE), cwd=folder, env=path)):
        yield int(line), message


def pyright(folder):
    """Run pyright, in an empty folder; yield lines and messages."""
    options = {
        "include": [os.path.relpath(ENGINE, folder)],
        "extraPaths": [str(ROOT)],
        "typeCheckingMode": "strict",
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(options))
    said = run("pyright", "--outputjson", "--pythonpath", sys.executable, cwd=folder)
    for found in json.loads(said)["generalDiagnostics"]:
        yield found["range"]["start"]["line"] + 1, found["message"]


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_checkers_report_mistakes_and_nothing_else(checker, tmp_path):
    lines = enumerate(ENGINE.read_text().splitlines(), start=1)
    expected = {number: line.partition("# error: ")[2] for number, line in lines}
    found = {}
    for number, message in checker(tmp_path):
        found.setdefault(number, []).append(message)
    wrong = {n: output for n, output in found.items() if expected[n] not in "".join(output)}
    assert wrong == {}
    assert found.keys() == {number for number, word in expected.items() if word}


def test_stubs_are_current():
    due = stubs.files()
    assert {path: path.with_suffix(".pyi").read_text() for path in due} == due
