"""What a run leaves: the run folder, its status, the summary, and the formats.

Nothing here decodes images or runs networks.
"""
