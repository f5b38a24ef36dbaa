# SPDX-License-Identifier: Apache-2.0
"""Prose uses the words of the field instead of fillers with many meanings."""

import io
import re
import tokenize
from pathlib import Path

import pytest

from tests.documents import ROOT

#: Pattern -> better words.
FILLERS = {
    r"told|tells?": "return, report, raise, pass, state",
    r"tells? of": "report",
    r"besides?": "next to, in addition, except",
    r"behind": "after, outdated",
    r"whoever": "every caller that",
    r"(?<!there )is no (?!longer\b|more\b)\w+": "is not a",
    r"there (is|are) not": "does not exist",
    r"(at most|at least) so (many|long)": "the maximum number of",
    r"lets? (?:an?|the|no|each|it|them|others|two)": "allow, keep, make",
    r"meanwhile": "while, in the meantime",
    r"mend(s|ed|ing)?": "correct, repair",
    r"lends?|lent": "yield, pass",
    r"parted|parts (?:them|it)": "split, rename",
}
FILLER = re.compile(rf"\b(?:{'|'.join(FILLERS)})\b", re.IGNORECASE)
#: Names that say nothing of what they name.
VAGUE = re.compile(r"\b_?(?:told|tellers?)\b")
#: The findings of ``db check``, which docs/check.rst repeats.
QUOTED = re.compile(r"^``[^`]*``$|``run db upgrade[^`]*``", re.MULTILINE)
FILES = [
    ROOT / "README.rst",
    ROOT / "pytest_watcher_objects.py",
    *sorted(ROOT.glob("docs/*.rst")),
    *sorted(ROOT.glob("watcher_objects/**/*.py")),
    *sorted(ROOT.glob("migrations/**/*.py")),
    *sorted(ROOT.glob("benchmarks/**/*.py")),
    *sorted({*ROOT.glob("tests/*.py")} - {Path(__file__)}),
    *sorted(ROOT.glob("tests/[bcdr]*/*.py")),
]


def prose(text, is_code):
    """Yield the parts of a file that are prose: of code its comments and texts."""
    if not is_code:
        yield " ".join(QUOTED.sub("", text).split())
        return
    kinds = (tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", None))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in kinds:
            yield re.sub(r"\{[^{}]*\}", "", token.string)


def fillers(text, is_code):
    return [found[0] for part in prose(text, is_code) for found in FILLER.finditer(part)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_filler_words(file):
    text = file.read_text()
    assert fillers(text, file.suffix == ".py") == []
    names = re.findall(r"def (test_\w+)", text)
    assert [name for name in names if FILLER.search(name.replace("_", " "))] == []
    assert VAGUE.findall(text) == []


def test_identifiers_are_not_prose():
    assert fillers("told = f'{told} of {beside}'\n", is_code=True) == []
    assert fillers("# It is told meanwhile.\n", is_code=True) == ["told", "meanwhile"]
