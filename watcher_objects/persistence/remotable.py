# SPDX-License-Identifier: Apache-2.0
"""Methods that a server may run for a process without a database."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from oslo_versionedobjects import base as ovo

F = TypeVar("F", bound=Callable[..., Any])


def remotable(method: F) -> F:
    """Make a method remotable.

    Its annotations are for type checkers only: fingerprints, which services compare, would
    include them.
    """
    method.__annotations__ = {}
    return cast(F, ovo.remotable(method))
