"""Networks and what their families know of them: names, stride, input shapes, and how outputs become candidates.

A room for each family; nothing here reads files.
"""
