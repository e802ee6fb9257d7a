"""Weights: found by their content, and read without running anything in them.

The file's kind is told here, and the registry hands it to what reads that kind.
"""
