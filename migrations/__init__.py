# SPDX-License-Identifier: Apache-2.0
"""The alembic environment and the revisions of the schema."""
