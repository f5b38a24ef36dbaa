# SPDX-License-Identifier: Apache-2.0
"""Life-cycles in the languages of Mermaid and of Graphviz."""

import json
from collections.abc import Mapping, Sequence

from watcher_objects.transitions import PROFILES, Move, StateTransitionManager

Life = type[StateTransitionManager]
#: Life-cycles by the names of what lives them.
Lives = Mapping[str, Life]


def mermaid(lives: Lives, profile: str) -> str:
    """Return state diagrams in Mermaid's language."""
    lines = ["stateDiagram-v2"]
    for name, life in lives.items():
        moves = [*life.moves(profile)]
        lines.append(f'    state "{name}" as {_key(name)} {{')
        lines += [f'        state "{state}" as {_key(name, state)}' for state in life.TRANSITIONS]
        lines.append(f"        [*] --> {_key(name, life.INITIAL)}")
        for move in moves:
            arrow = f"{_key(name, move.initial)} --> {_key(name, move.new)}"
            lines.append(f"        {arrow}{remark(move) and f' : {remark(move)}'}")
        lines += [f"        {_key(name, state)} --> [*]" for state in final(life, moves)]
        lines.append("    }")
    return "\n".join(lines) + "\n"


def dot(lives: Lives, profile: str) -> str:
    """Return graphs in the language of Graphviz."""
    lines = ["digraph states {", "    node [shape=box style=rounded]"]
    for name, life in lives.items():
        moves = [*life.moves(profile)]
        lines += [f"    subgraph cluster_{_key(name)} {{", f"        label={json.dumps(name)}"]
        lines.append(f"        {_key(name)}_begin [shape=point]")
        ends = final(life, moves)
        for state in life.TRANSITIONS:
            border = " peripheries=2" if state in ends else ""
            lines.append(f"        {_key(name, state)} [label={json.dumps(state)}{border}]")
        lines.append(f"        {_key(name)}_begin -> {_key(name, life.INITIAL)}")
        for move in moves:
            style = "solid" if move.profile == PROFILES[0] else "dashed"
            arrow = f"{_key(name, move.initial)} -> {_key(name, move.new)}"
            lines.append(f"        {arrow} [style={style} label={json.dumps(remark(move))}]")
        lines.append("    }")
    return "\n".join([*lines, "}"]) + "\n"


def _key(*names: str) -> str:
    return "_".join(names).replace(" ", "_")


def remark(move: Move) -> str:
    """Return what a move's arrow is labelled with."""
    told = f"if {move.condition}" if move.condition else ""
    return told if move.profile == PROFILES[0] else f"{told} {move.profile}".strip()


def final(life: Life, moves: Sequence[Move]) -> Sequence[str]:
    """Return the states that are entered and not left."""
    ends = {move.new for move in moves} - {move.initial for move in moves}
    return [state for state in life.TRANSITIONS if state in ends]
