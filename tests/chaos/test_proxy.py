# SPDX-License-Identifier: Apache-2.0
"""The end of an answer, at which the network is cut."""

import pytest

from tests.chaos.proxy import _has_ended_on_mariadb


def packet(content):
    """Return a packet of MariaDB's protocol."""
    return len(content).to_bytes(3, "little") + b"\1" + content


def done(flags=0):
    """Return the packet for a statement that has changed a row."""
    return packet(bytes([0, 1, 0xFC, 1, 1, flags, 0, 0, 0]))


def end(flags=0):
    """Return the packet after columns, and after rows."""
    return packet(bytes([0xFE, 0, 0, flags, 0]))


#: A number, an empty text, and a row that begins as the packet at the end does.
ROWS = [packet(b"\x011"), packet(b"\0"), packet(b"\xfe" + b"x" * 20)]
SELECTED = packet(b"\1") + packet(b"column") + end() + b"".join(ROWS)


@pytest.mark.parametrize(
    "answer",
    [
        done(),
        packet(b"\xffa deadlock"),
        SELECTED + end(),
        SELECTED + packet(b"\xffa deadlock"),
        done(8) + done(),
        done(8) + SELECTED + end(8) + SELECTED + end(8) + done(),
    ],
)
def test_an_answer_has_ended_with_its_last_packet(answer):
    found = [size for size in range(len(answer) + 1) if _has_ended_on_mariadb(answer[:size])]
    assert found == [len(answer)]
