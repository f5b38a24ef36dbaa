# SPDX-License-Identifier: Apache-2.0
"""Pictures as SVG, which can be read on light and on dark, by people and by their readers."""

from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from watcher_objects import exception

#: The colours of a picture on light, and on dark.
LIGHT = {
    "ink": "#1f2328",
    "faint": "#59636e",
    "paper": "#ffffff",
    "box": "#f6f8fa",
    "line": "#57606a",
    "first": "#0969da",
    "second": "#bc4c00",
    "third": "#8250df",
    "fourth": "#1a7f37",
}
DARK = {
    "ink": "#e6edf3",
    "faint": "#9198a1",
    "paper": "#0d1117",
    "box": "#161b22",
    "line": "#9198a1",
    "first": "#58a6ff",
    "second": "#f0883e",
    "third": "#bc8cff",
    "fourth": "#3fb950",
}
_BEGIN = '<svg xmlns="http://www.w3.org/2000/svg"'
_NAMES = {"style": "class", "anchor": "text-anchor", "dashes": "stroke-dasharray"}
_TEXT = (
    "text { font: 12px system-ui, sans-serif } .heading, .title { font-weight: 600 } "
    ".title { font-size: 17px } path, rect { stroke-width: 1.3 }"
)


def _rules(colours: dict[str, str]) -> str:
    filled = (f".{name} {{ fill: {colour} }}" for name, colour in colours.items())
    drawn = (f".{name}-line {{ stroke: {colour} }}" for name, colour in colours.items())
    return " ".join((*filled, *drawn))


def document(title: str, description: str, size: tuple[float, float], parts: Iterable[str]) -> str:
    """Return a picture of these parts.

    :param size: its width and height
    """
    width, height = (round(length) for length in size)
    dark = f"@media (prefers-color-scheme: dark) {{ {_rules(DARK)} }}"
    lines = [
        f'{_BEGIN} viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-labelledby="title description">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="description">{escape(description)}</desc>',
        f"<style>{_TEXT} {_rules(LIGHT)} {dark}</style>",
        element("rect", style="paper", width=width, height=height),
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def write(path: Path, picture: str) -> None:
    """Write a picture to a file; one that is there is replaced if it is empty or a picture.

    :raises Conflict: it is something else
    :raises Invalid: it can't be written
    """
    try:
        if path.is_file():
            with path.open("rb") as file:
                if file.read(len(_BEGIN)) not in (_BEGIN.encode(), b""):
                    raise exception.Conflict(f"{path} is no picture: left alone")
        path.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise exception.Invalid(f"{path} can't be written: {error.strerror}") from error


def element(name: str, inside: str = "", /, **attributes: object) -> str:
    """Return an element; ``style`` are its classes, of those that :data:`LIGHT` tells.

    :param inside: what it contains, as SVG
    """
    told = {_NAMES.get(key, key): value for key, value in attributes.items()}
    written = " ".join(f"{key}={quoteattr(_short(value))}" for key, value in told.items())
    return f"<{name} {written}>{inside}</{name}>" if inside else f"<{name} {written}/>"


def text(x: float, y: float, content: str, style: str = "ink", anchor: str = "start") -> str:
    """Return a line of text."""
    return element("text", escape(content), x=x, y=y, style=style, anchor=anchor)


def _short(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
