# SPDX-License-Identifier: Apache-2.0
"""Objects and their rows: how an entity is loaded, changed, written and sent."""
