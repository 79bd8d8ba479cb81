"""Kernel benchmarks: compare wscore with libraries that do the same work, in one process.

``python -m bench`` measures, compares with the targets and writes the results.
"""
