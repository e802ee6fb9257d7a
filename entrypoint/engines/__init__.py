"""What computes a network: PyTorch on any device, ONNX Runtime where many images go through a CPU."""
