"""Text that any reader takes."""

import os


def printable(path: object) -> str:
    r"""A path as valid Unicode: bytes that are not UTF-8 become `\\xNN`."""
    return os.fsencode(str(path)).decode("utf-8", "backslashreplace")
