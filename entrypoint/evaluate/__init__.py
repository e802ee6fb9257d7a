"""How good the results of a run are, measured against a ground truth, and what changed between two runs.

Reads what runs have left, and never looks at an image or a network.
"""
