"""Weights that mean harm, made afresh: by the opcode, by the tensor, by the archive.

`python -m tests.weights.hostile` looks at each and prints what came of it: verdict, seconds, peak memory.
"""
