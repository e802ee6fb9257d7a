"""The parts that a job was split into, read back from disk and merged into one run."""
