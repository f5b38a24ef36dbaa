# SPDX-License-Identifier: Apache-2.0
"""Processes that measure, as the harness sees them: JSON lines in, JSON lines out."""

import contextlib
import json
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT


class Failed(Exception):
    """A process could not do what it was asked for."""


def command(python: Path, module: str, *words: object) -> list[str]:
    """Return how a module is run by an interpreter."""
    return [str(python), "-W", "ignore", "-m", module, *map(str, words)]


def run(python: Path, module: str, *words: object) -> None:
    """Run a module to its end.

    :raises Failed: it ended with an error, whose last line is in the message
    """
    done = subprocess.run(  # noqa: S603 - an interpreter of ours
        command(python, module, *words), cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Failed((done.stderr.strip() or f"status {done.returncode}").splitlines()[-1])


class Process:
    """An implementation at work on its database, for a ``with``."""

    def __init__(self, python: Path, module: str, url: str) -> None:
        self.module = module
        self._process = subprocess.Popen(  # noqa: S603 - an interpreter of ours
            command(python, module, url),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *ignored: object) -> None:
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def send(self, verb: str, **arguments: Any) -> None:
        """Ask for something."""
        # If it has ended, receive() says so.
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps([verb, arguments]), file=self._process.stdin, flush=True)

    def receive(self) -> Any:
        """Wait for the answer."""
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise Failed(f"{self.module} has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(f"{self.module}: {answer['error']}")
        return answer["answer"]

    def ask(self, verb: str, **arguments: Any) -> Any:
        """Ask for something, and wait for the answer."""
        self.send(verb, **arguments)
        return self.receive()
