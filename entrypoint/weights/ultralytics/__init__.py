"""Checkpoints of the ultralytics package, from 8.0 on: the same inert nodes, other layers and another head."""
