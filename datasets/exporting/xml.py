"""Small helpers for XML that is written with the standard library."""

import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def add_texts(parent: Element, texts: Mapping[str, object]) -> None:
    """One child element per entry."""
    for name, value in texts.items():
        SubElement(parent, name).text = xml_text(value)


def xml_text(value: object) -> str:
    """The value's text, with U+FFFD for characters that XML 1.0 cannot hold."""
    return _NOT_IN_XML.sub("\ufffd", str(value))


def number(value: float) -> str:
    """Pixels to a millionth; whole ones without a point, which some readers need."""
    rounded = round(float(value), 6)
    return str(int(rounded)) if rounded.is_integer() else repr(rounded)
