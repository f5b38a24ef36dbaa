# SPDX-License-Identifier: Apache-2.0
"""Limits on the size, depth and density of JSON, checked before a text is decoded."""

import itertools
import re

#: Bytes of a JSON document: three fit into MariaDB's default ``max_allowed_packet`` of 16 MiB,
#: also if each of their characters must be escaped there.
MAX_DOCUMENT = 2 * 2**20
#: Containers inside containers of a JSON document; a parser's stack ends not far above.
MAX_DEPTH = 100
#: Commas of a text, wherever they are.
MAX_ITEMS = 300_000
#: Bytes that may be made of each character of a text, and how many are free.
GROWTH, FREE = 20, 2**18

# The memory that Python needs for the start of a value, and for a text that is not a key.
_TAKEN = {"[": 88, "{": 184, ",": 9}
_TAKEN_BY_TEXT = 52
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1, ",": 0, ":": 0}
# Each text, closed or not, is passed over once.
_TEXT = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NO_SIGN = re.compile(r"[^\[\]{},:]+")


def check(text: str, length: int = MAX_DOCUMENT, levels: int = MAX_DEPTH) -> None:
    """Reject a text that would take too long or too much memory to decode.

    :raises ValueError: a limit is exceeded; the message names it
    """
    if len(text) > length:
        raise ValueError(f"it is longer than {length} characters")
    rest, texts = _TEXT.subn("", text)
    signs = _NO_SIGN.sub("", rest)
    if signs.count(",") > MAX_ITEMS:
        raise ValueError(f"it has more than {MAX_ITEMS} items")
    taken = _TAKEN_BY_TEXT * max(texts - signs.count(":"), 0)
    taken += sum(size * signs.count(sign) for sign, size in _TAKEN.items())
    if taken > GROWTH * len(text) + FREE:
        raise ValueError("it has too many items for its length")
    if max(itertools.accumulate(map(_STEP.__getitem__, signs)), default=0) > levels:
        raise ValueError(f"it is nested over more than {levels} levels")
