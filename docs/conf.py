# SPDX-License-Identifier: Apache-2.0
"""How Sphinx makes these pages."""

from importlib import metadata
from typing import Any

from watcher_objects.base import WatcherPersistentObject

project = "watcher-objects"
release = version = metadata.version(project)
html_theme = "furo"
html_title = f"{project} {release}"
extensions = ["sphinx.ext.autodoc"]
autodoc_member_order = "bysource"
# Of a class's declaration the fields are told below, and the rest is for who adds an entity.
autodoc_default_options = {
    "exclude-members": "OBJ_PROJECT_NAMESPACE, OBJ_SERIAL_NAMESPACE, VERSION, already_exists, "
    "fields, history, initial, not_found, object_fields, referenced, resource, table"
}
# A name of ours that leads nowhere is a mistake; others' pages are not linked.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!watcher_objects).*|.*\.([A-Z]|Made)")]


def add_fields(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Tell the version and the fields of a class of objects."""
    if what == "class" and issubclass(obj, WatcherPersistentObject):
        told = (f"``{name}`` ({type(field).__name__})" for name, field in obj.fields.items())
        lines += ["", f":Version: {obj.VERSION}", f":Fields: {', '.join(told)}"]


def setup(app: Any) -> None:
    """Let Sphinx know what is added."""
    app.connect("autodoc-process-docstring", add_fields)
