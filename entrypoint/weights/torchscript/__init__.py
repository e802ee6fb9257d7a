"""TorchScript files: before PyTorch has them, their code is held against the few operations that exports need."""
