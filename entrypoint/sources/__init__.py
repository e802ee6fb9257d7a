"""What a source holds, and pixels from it.

A source is listed here, file types are told from bytes, and images are decoded; nothing here knows of results.
"""
