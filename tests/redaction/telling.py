# SPDX-License-Identifier: Apache-2.0
"""Errors that are called for, and told in full."""

import sys
import traceback

#: The names of the errors' classes, and of the calls that raised none.
FAILED: list[str] = []
NOT_FAILED: list[str] = []


def tell(error):
    """Say all that a log could say of an error, and of every error behind it."""
    traceback.print_exception(error)
    seen, waiting = set(), [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        print(repr(one), str(one), [repr(arg) for arg in one.args], file=sys.stderr)
        # What `from None` hides from tracebacks is still to be had.
        waiting += [one.__cause__, one.__context__]
    return type(error).__name__


def attempt(call, *arguments, **named):
    """Call what has to fail, and tell the error; without one, tell that."""
    try:
        call(*arguments, **named)
    except Exception as error:
        FAILED.append(tell(error))
    else:
        NOT_FAILED.append(f"{call.__qualname__} {sorted(named)}")
