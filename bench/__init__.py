"""Kernel benchmarks: every kernel beside the peers that do the same work, in one process.

``python -m bench`` measures, judges against the targets and writes the results.
"""
