# SPDX-License-Identifier: Apache-2.0
"""A terminal, and what is shown on it."""

import os
import termios

END = b"\0"


class Terminal:
    """A terminal, and what is shown on it."""

    def __init__(self):
        self.reading, writing = os.openpty()
        termios.tcsetwinsize(writing, (25, 80))
        self.stream = os.fdopen(writing, "w")

    def shown(self):
        # What is written may come in several pieces, and later; after this there is nothing.
        self.stream.write(END.decode())
        self.stream.flush()
        shown = b""
        while not shown.endswith(END):
            shown += os.read(self.reading, 100_000)
        return shown.removesuffix(END).decode()

    def typed(self, text):
        """What a program reads from it when somebody types this."""
        os.write(self.reading, text.encode())
        return os.fdopen(os.dup(self.stream.fileno()))

    def close(self):
        self.stream.close()
        os.close(self.reading)
