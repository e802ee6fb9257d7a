"""What the machine grants this process: CPUs, memory, mounts and devices.

Nothing here knows of images, weights or results.
"""
