# SPDX-License-Identifier: Apache-2.0
"""State diagrams in the languages of Mermaid and Graphviz, and as SVG drawn by Graphviz."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from watcher_objects import exception
from watcher_objects.states import (
    ActionPlanStateTransitionManager,
    ActionStateTransitionManager,
    AuditStateTransitionManager,
)
from watcher_objects.transitions import PROFILES, Move, StateTransitionManager

StateMachine = type[StateTransitionManager]
#: State machines by the names of their objects.
StateMachines = Mapping[str, StateMachine]

STATE_MACHINES: StateMachines = {
    "Audit": AuditStateTransitionManager,
    "Action plan": ActionPlanStateTransitionManager,
    "Action": ActionStateTransitionManager,
}


def mermaid(machines: StateMachines, profile: str) -> str:
    """Return state diagrams in Mermaid's language."""
    lines = ["stateDiagram-v2"]
    for name, machine in machines.items():
        moves = [*machine.moves(profile)]
        lines.append(f'    state "{name}" as {_key(name)} {{')
        lines += [f'        state "{s}" as {_key(name, s)}' for s in machine.TRANSITIONS]
        lines.append(f"        [*] --> {_key(name, machine.INITIAL)}")
        for move in moves:
            arrow = f"{_key(name, move.initial)} --> {_key(name, move.new)}"
            lines.append(f"        {arrow}{remark(move) and f' : {remark(move)}'}")
        lines += [f"        {_key(name, state)} --> [*]" for state in final(machine, moves)]
        lines.append("    }")
    return "\n".join(lines) + "\n"


def dot(machines: StateMachines, profile: str) -> str:
    """Return a graph in the language of Graphviz."""
    lines = ["digraph states {", "    bgcolor=white", "    node [shape=box style=rounded]"]
    for name, machine in machines.items():
        moves = [*machine.moves(profile)]
        lines += [f"    subgraph cluster_{_key(name)} {{", f"        label={json.dumps(name)}"]
        lines.append(f"        {_key(name)}_begin [shape=point]")
        ends = final(machine, moves)
        for state in machine.TRANSITIONS:
            border = " peripheries=2" if state in ends else ""
            lines.append(f"        {_key(name, state)} [label={json.dumps(state)}{border}]")
        lines.append(f"        {_key(name)}_begin -> {_key(name, machine.INITIAL)}")
        for move in moves:
            style = "solid" if move.profile == PROFILES[0] else "dashed"
            arrow = f"{_key(name, move.initial)} -> {_key(name, move.new)}"
            lines.append(f"        {arrow} [style={style} label={json.dumps(remark(move))}]")
        lines.append("    }")
    return "\n".join([*lines, "}"]) + "\n"


def svg(machines: StateMachines, profile: str) -> str:
    """Return the graph as SVG.

    :raises Invalid: the program ``dot`` is not installed, or fails
    """
    program = shutil.which("dot")
    if program is None:
        raise exception.Invalid(
            "The format svg needs the program dot: install Graphviz (on Debian, "
            "apt-get install graphviz), or use the format dot or mermaid"
        )
    done = subprocess.run(  # noqa: S603 - the program is found on the user's own PATH
        [program, "-Tsvg"],
        input=dot(machines, profile),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = exception.safe_repr(done.stderr.strip())
        raise exception.Invalid(f"{program} failed with exit code {done.returncode}: {reason}")
    return done.stdout


def _key(*names: str) -> str:
    return "_".join(names).replace(" ", "_")


def remark(move: Move) -> str:
    """Return the label of a transition's arrow."""
    condition = f"if {move.condition}" if move.condition else ""
    return condition if move.profile == PROFILES[0] else f"{condition} {move.profile}".strip()


def final(machine: StateMachine, moves: Sequence[Move]) -> Sequence[str]:
    """Return the states that are entered and never left."""
    ends = {move.new for move in moves} - {move.initial for move in moves}
    return [state for state in machine.TRANSITIONS if state in ends]
