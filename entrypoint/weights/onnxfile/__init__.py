"""ONNX files: read by a reader of our own, bounded before anything computes them, and told apart by what they give."""
