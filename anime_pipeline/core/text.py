"""Text that others wrote, such as file names, made safe to show: it cannot steer a terminal."""

import re

# Control characters but line feed and tab, marks that turn the writing direction (they make a name
# read as another one), and halves of surrogate pairs, which cannot be encoded.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    """Return text with whatever would steer a terminal written as an escape."""
    return _STEERING.sub(lambda match: ascii(match[0])[1:-1], text)


def json_visible(text: str) -> str:
    """Return a JSON document with such characters escaped as JSON does: to programs it is the same.

    JSON's own encoder escapes control characters up to 0x1f only.
    """
    return _STEERING.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
