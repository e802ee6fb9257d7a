"""Weights in another format: a checkpoint of tensors and plain containers only, or an ONNX file."""
