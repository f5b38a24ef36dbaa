# SPDX-License-Identifier: Apache-2.0
"""Child processes of tests, which are forked and end without pytest's own clean-up."""

import os
import signal
import traceback


def forked(work, seconds=60):
    """Run a function in a child process, and return the child's id."""
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(seconds)
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return child


def ended(child):
    """Wait for a child process, and return its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Signal:
    """What one process waits for and another sends."""

    def __init__(self):
        self._reader, self._writer = os.pipe()

    def wait(self):
        """Wait until another process sends it."""
        assert os.read(self._reader, 1) == b"."

    def send(self):
        """Resume a process that waits."""
        os.write(self._writer, b".")

    def close(self):
        """Close the pipe."""
        os.close(self._reader)
        os.close(self._writer)
