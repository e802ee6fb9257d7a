"""From images to detections: letterbox, engine, candidates, NMS, and which engine and precision can be trusted."""
