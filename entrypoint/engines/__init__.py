"""What computes a network on one device: ONNX Runtime on a CPU, PyTorch on a GPU or where it is asked for.

An engine knows nothing of boxes, images' files or results.
"""
