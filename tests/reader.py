# SPDX-License-Identifier: Apache-2.0
"""A reader of the documents, who does what they show.

``python`` is run, and so is each line of ``console`` that begins with ``$``; what is shown after
it is its output, with ``...`` for what varies. A command of which no output is shown must succeed.
"""

import doctest
import io
import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

from watcher_objects.cli import app

RUN = ("python", "console")
# Of a directive, like :caption:.
_OPTIONS = re.compile(r"\A(?::[\w-]+:.*\n)+")
#: The commands that every application of cliff has.
CLIFFS = (["help"], ["complete"])
#: What only a shell knows what to do with.
SHELL = set("|&;<>()")


class Block(NamedTuple):
    """A block of a page; one that has no kind is literal."""

    kind: str
    line: int
    text: str

    @property
    def title(self) -> str:
        """The first line."""
        return self.text.split("\n")[0]


def blocks(page: str) -> Iterator[Block]:
    """Yield the blocks of a page, in their order."""
    lines = page.splitlines()
    for number, line in enumerate(lines, 1):
        shown = re.fullmatch(r" *\.\. (?:code-block|code|sourcecode):: *(\w*)", line)
        if shown or re.fullmatch(r"(?! *\.\. ).*::", line):
            margin = len(line) - len(line.lstrip()) + 1
            inner = itertools.takewhile(_is_within(margin), lines[number:])
            text = _OPTIONS.sub("", dedent("\n".join(inner)).strip("\n"))
            yield Block(shown[1] if shown else "", number, text.strip())
        elif line.lstrip().startswith(">>> "):
            yield Block("doctest", number, line.strip())


def _is_within(margin: int) -> Callable[[str], bool]:
    return lambda line: not line[:margin].strip()


def commands(console: str) -> Iterator[tuple[str, str]]:
    """Yield the commands of a console, and the output that is shown after each."""
    for part in re.split(r"^\$ ", console.replace("\\\n", ""), flags=re.M)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown.rstrip() + "\n" if shown.strip() else ""


class Reader:
    """Somebody who does in the current folder what a page shows, block by block."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}

    def follow(self, page: str) -> None:
        """Do what the blocks of a page show.

        :raises AssertionError: it came to something else
        """
        for block in blocks(page):
            if block.kind == "python":
                # After as many empty lines as are above it, for the traceback.
                exec("\n" * block.line + block.text, self.names)  # noqa: S102 - our own page
            elif block.kind == "console":
                for command, shown in commands(block.text):
                    _compare(command, shown, *_done(command))


def _done(command: str) -> tuple[int, str]:
    """Return a command's exit code and output."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = [*lexer]
    if words[0] == "export":
        os.environ.update([words[1].split("=", 1)])
        return 0, ""
    if words[0] != "watcher-objects" or any(word and set(word) <= SHELL for word in words):
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(  # noqa: S602 - it is a line for a shell
            command,
            shell=True,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PATH": path},
        )
        return done.returncode, done.stdout + done.stderr
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = app.main(words[1:])
        except SystemExit as ended:
            code = int(ended.code or 0)
    return code, out.getvalue() + err.getvalue()


def _compare(command: str, shown: str, code: int, messages: str) -> None:
    checker, flags = doctest.OutputChecker(), doctest.ELLIPSIS
    if not shown:
        assert code == 0, f"{command}: exit code {code}\n{messages}"
    elif not checker.check_output(shown, messages, flags):
        example = doctest.Example(command, shown)
        raise AssertionError(f"{command}\n{checker.output_difference(example, messages, flags)}")


def named(page: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of ours that a page shows or names, and the words after it.

    :raises AssertionError: there is no such command
    """
    literals = (" ".join(found.split()) for found in re.findall(r"``([^`]+)``", page))
    lines = (line for block in blocks(page) for line in block.text.splitlines())
    for text in (*literals, *lines):
        found = re.search(r"(?:^|[\s/])watcher-objects ([a-z-].*)", text)
        words = re.sub(r"--database \S+", "", found[1] if found else text).split()
        if words[:1] in CLIFFS:
            continue
        known = [n for n in app.COMMANDS if words[: n.count(" ") + 1] == n.split()]
        if known and (found or " " in known[0]):
            name = max(known, key=len)
            yield name, words[name.count(" ") + 1 :]
        else:
            assert not found or not words or words[0][0] == "-", f"there is no {' '.join(words)}"
