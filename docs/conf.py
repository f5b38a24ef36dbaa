# SPDX-License-Identifier: Apache-2.0
"""Configuration of Sphinx."""

import os
import shutil
from importlib import metadata
from typing import Any

from docutils import nodes
from sphinx.ext.graphviz import graphviz
from sphinx.util.docutils import SphinxDirective

from watcher_objects.base import WatcherObject
from watcher_objects.cli import diagram

project = "watcher-objects"
release = version = metadata.version(project)
html_theme = "furo"
html_title = f"{project} {release}"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.graphviz"]
graphviz_output_format = "svg"
autodoc_member_order = "bysource"
# The fields of a class are listed below its docstring; the rest of a declaration concerns only
# those who add an entity.
autodoc_default_options = {
    "exclude-members": "OBJ_PROJECT_NAMESPACE, OBJ_SERIAL_NAMESPACE, VERSION, already_exists, "
    "fields, history, initial, not_found, object_fields, referenced, resource, table"
}
# A reference to our own names that leads nowhere is an error; other projects are not linked.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!watcher_objects).*|.*\.([A-Z]|Made)")]
# Without Graphviz the diagrams are text, except in CI, where its absence is an error.
HAS_GRAPHVIZ = shutil.which("dot") is not None or os.environ.get("CI") == "true"


class StateDiagram(SphinxDirective):
    """The diagram of an object's states, generated from the table of its transitions."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {"profile": str}

    def run(self) -> list[nodes.Node]:
        """Return the diagram's node."""
        name = self.arguments[0]
        machine = diagram.STATE_MACHINES[name]
        profile = self.options.get("profile", "watcher")
        text = machine.diagram(profile)
        if not HAS_GRAPHVIZ:
            return [nodes.literal_block(text, text)]
        node = graphviz()
        node["code"] = diagram.dot({name: machine}, profile)
        node["options"] = {"docname": self.env.docname}
        node["alt"] = text
        return [node]


class Source(SphinxDirective):
    """A description of a diagram, where there is no Graphviz to draw it."""

    has_content = True
    option_spec = {"alt": str}

    def run(self) -> list[nodes.Node]:
        """Return the text as a literal block."""
        text = self.options.get("alt", "\n".join(self.content))
        return [nodes.literal_block(text, text)]


def add_fields(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Add the version and the fields to the docstring of an entity."""
    if what == "class" and issubclass(obj, WatcherObject) and obj.fields:
        fields = (f"``{name}`` ({type(field).__name__})" for name, field in obj.fields.items())
        lines += ["", f":Version: {obj.VERSION}", f":Fields: {', '.join(fields)}"]


def setup(app: Any) -> None:
    """Register the extensions above."""
    app.add_directive("state-diagram", StateDiagram)
    if not HAS_GRAPHVIZ:
        app.add_directive("graphviz", Source, override=True)
    app.connect("autodoc-process-docstring", add_fields)
