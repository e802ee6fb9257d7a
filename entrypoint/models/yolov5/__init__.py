"""The classic YOLOv5 family: its layers, how they connect, the anchor head, and augmented inference."""
