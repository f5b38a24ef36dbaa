# SPDX-License-Identifier: Apache-2.0
"""Statements on tables: what they select and write, and under which conditions."""
