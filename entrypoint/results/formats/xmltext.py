"""Text inside XML, whatever a file or a class is called."""

import re

# What XML 1.0 has no way to write, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """As the content of an element; a character that XML cannot hold becomes U+FFFD."""
    from xml.sax.saxutils import escape  # which brings half of the standard library's networking: 20 ms of each start

    return escape(_FORBIDDEN.sub("\ufffd", text), {"\r": "&#13;"})


def xml_attribute(value: object) -> str:
    """As the value of an attribute, in its quotes; a character that XML cannot hold becomes U+FFFD."""
    from xml.sax.saxutils import quoteattr

    return quoteattr(_FORBIDDEN.sub("\ufffd", str(value)))
