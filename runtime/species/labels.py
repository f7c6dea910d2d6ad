"""When two names of a class are the same."""

import unicodedata


def comparable(name: str) -> str:
    """Return a form of ``name`` that is equal for upper and lower case, and for the two forms of an umlaut (NFC)."""
    return unicodedata.normalize("NFC", name).casefold()
