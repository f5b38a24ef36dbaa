# SPDX-License-Identifier: Apache-2.0
"""The README and the other documents, as tests read them."""

import re
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[1]
_PATHS = ROOT / "README.rst", *sorted(ROOT.glob("docs/*.rst"))
#: File name -> text.
PAGES = {path.name: path.read_text() for path in _PATHS}
README = PAGES["README.rst"]


def page(name):
    """Return one of the documents other than the README."""
    return PAGES[f"{name}.rst"]


def block(after, text=README):
    """Return the indented block after a marker."""
    directive = r"(?:\S.*\n(?: +:.*\n)*)?"
    found = re.search(rf"^\.\. {after}\n\n{directive}\n((?:(?: +.*)?\n)+)", text, flags=re.M)
    return dedent(found.group(1)).strip()


def rows(after, text):
    """Return the cells of the table after a marker, row by row, without the header."""
    below = block(after, text).split("\n* - ")[1:]
    return [[cell.strip("` \n") for cell in re.split(r"\n +- ", row)] for row in below]
