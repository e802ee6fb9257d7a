"""What scripts/gpu-check does: parity, speed, memory and faults on one device, as a table and as JSON."""
