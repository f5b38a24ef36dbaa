# SPDX-License-Identifier: Apache-2.0
"""Faults to plant in the library, each of which the judge must find."""

from collections.abc import Callable
from typing import NamedTuple


class Fault(NamedTuple):
    """A way to write audits wrongly."""

    plant: Callable[[], None]


FAULTS: dict[str, Fault] = {}
