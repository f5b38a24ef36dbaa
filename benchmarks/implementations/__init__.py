# SPDX-License-Identifier: Apache-2.0
"""What is compared, each a module that is run by the interpreter of its own environment.

Each has a class with the methods of :class:`benchmarks.worker.Implementation`, and lacks those
that it can't do.
"""
