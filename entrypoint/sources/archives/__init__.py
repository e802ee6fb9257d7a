"""Archives read where they lie: what they hold, by name, and the bytes of each member; nothing is unpacked to disk.

Everything an archive says of itself may be a lie. Memory and time are bounded by the size of its file.
"""
