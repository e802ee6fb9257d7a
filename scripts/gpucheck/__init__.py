"""The checks of scripts/gpu-check: parity, speed, memory and stopping on one device, as one page and as JSON."""
