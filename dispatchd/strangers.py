"""Strangers' text made harmless: what senders, destinations and other machines chose. Pure.

One escaper for whatever reaches a terminal, a log or a page; one guard for what must be UTF-8.
"""


def printable(text: str, *, lines: bool = False) -> str:
    r"""Spell every character that could command a terminal as an escape: `\x1b`, `\u202e`.

    These are the controls of ASCII and of C1, the separators of lines, what turns the direction
    of writing, lone surrogates, and what Unicode has not assigned. With `lines`, line feeds and
    tabs stay as they are. What is escaped already stays as it is.
    """
    if text.isprintable():
        return text
    kept = "\n\t" if lines else ""
    return "".join(c if c.isprintable() or c in kept else _escape(c) for c in text)


def _escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFF:  # noqa: PLR2004 - what two hex digits hold
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - likewise


def printable_json(document: bytes) -> bytes:
    r"""Spell the same characters as `\uXXXX` in JSON of one line, which means the same.

    JSON escapes only the controls of ASCII below 0x20; a terminal obeys more than those.
    """
    if document.isascii():
        if b"\x7f" not in document:
            return document  # nearly always
        return document.replace(b"\x7f", b"\\u007f")
    text = document.decode()
    if text.isprintable():
        return document
    return "".join(c if c.isprintable() else _json_escape(c) for c in text).encode()


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be")  # one beyond the first plane is a pair, as JSON wants it
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


def utf8(text: str) -> str:
    """Replace lone surrogates by `?`: what a peer sent must never make text that cannot be kept.

    A header that was no UTF-8 is read to such text, and so is JSON with half a pair.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
