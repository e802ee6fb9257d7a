"""The YOLOv5 network, forward only: its layers, how they connect, the anchor head, and NMS."""
