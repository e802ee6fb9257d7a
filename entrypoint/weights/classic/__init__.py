"""Checkpoints of classic YOLOv5 (v1.0 to v7.0), as train.py pickles them.

A pickle becomes inert nodes, every value of which is checked before a network is built from it.
"""
