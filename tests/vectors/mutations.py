"""What every provider's valid request is turned into: one request, many ways of being wrong."""

import base64
import copy
from collections.abc import Callable, Iterator

Headers = list[list[object]]
Request = dict[str, object]

ARABIC_DIGITS = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
HUGE = {"repeat": ["a", 6000]}


def flip(text: str) -> str:
    """Change one character in the middle to another of the same class."""
    i = len(text) // 2
    while not text[i].isalnum():
        i += 1
    old = text[i]
    new = {"9": "8", "z": "y", "Z": "Y"}.get(old) or chr(ord(old) + 1)
    return text[:i] + new + text[i + 1 :]


def flipped_text(text: str) -> str:
    """Change a letter or digit near the end: the payload of prefixes and lists is there."""
    i = len(text) - 6
    while not text[i].isalnum():
        i -= 1
    new = "b" if text[i] == "a" else "a" if text[i].isalpha() else ("1" if text[i] != "1" else "2")
    return text[:i] + new + text[i + 1 :]


def stray_bits(text: str) -> str:
    """Spell base64 differently for the same bytes: the last letter has bits that mean nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bare = text.rstrip("=")
    padding = text[len(bare) :]
    last = alphabet[alphabet.index(bare[-1]) ^ 1] if padding else "="
    return bare[:-1] + last + padding


def with_header(request: Request, name: str, change: Callable[[str], object] | None) -> Request:
    """Return the request with one header changed, or dropped when `change` is None."""
    changed = copy.deepcopy(request)
    headers: Headers = []
    for key, value in changed["headers"]:
        if str(key).lower() != name.lower():
            headers.append([key, value])
        elif change is not None:
            headers.append([key, change(str(value))])
    changed["headers"] = headers
    return changed


def add_header(request: Request, name: str, value: object) -> Request:
    """Return the request with one header more."""
    changed = copy.deepcopy(request)
    changed["headers"].append([name, value])
    return changed


def value_of(request: Request, name: str) -> str:
    """Return a header of the request."""
    return next(str(v) for k, v in request["headers"] if str(k).lower() == name.lower())


def signature_mutations(
    request: Request, name: str, encoding: str, prefix: str
) -> Iterator[tuple[str, Request]]:
    """Yield the ways a signature header is wrong, all of which are to be rejected."""

    def on(change: Callable[[str], object] | None) -> Request:
        return with_header(request, name, change)

    right = value_of(request, name)
    yield "signature flipped", on(flipped_text)
    yield "signature empty", on(lambda _: "")
    yield "signature only its prefix", on(lambda _: prefix or "=")
    yield "signature huge", on(lambda _: HUGE)
    yield (
        "signature huge behind its prefix",
        on(lambda _: {"repeat": [prefix or "0", 7000 // len(prefix or "0")]}),
    )
    yield "signature not ASCII", on(lambda v: v[:-3] + "é" + v[-2:])
    yield "signature a lone non-ASCII word", on(lambda _: "ключ")
    yield "signature with a space inside", on(lambda v: v[:-8] + " " + v[-8:])
    yield "signature cut by one", on(lambda v: v[:-1])
    yield "signature longer by one", on(lambda v: v + "A")
    yield "signature doubled", add_header(request, name, right)
    yield "signature doubled with a wrong one", add_header(request, name, flipped_text(right))
    yield "signature header twice in one, by comma", on(lambda v: f"{v}, {v}+")
    if prefix:
        other = chr(ord(prefix[0]) + 1) + prefix[1:]
        yield "signature behind another prefix", on(lambda v: v.replace(prefix, other, 1))
        yield "signature without its prefix", on(lambda v: v.replace(prefix, "", 1))
        yield "signature prefix in the middle", on(lambda v: f"x{v}")
    if encoding == "hex":
        yield "signature not hex", on(lambda v: v[:-2] + "zz")
        yield "signature with 0x", on(lambda v: v.replace(prefix, prefix + "0x", 1))
    if encoding == "base64":
        yield "signature with stray bits in its base64", on(stray_bits)
        yield "signature not base64", on(lambda v: v[:-3] + "*" + v[-2:])
        yield "signature with base64url letters", on(lambda v: v[:-4] + "-_" + v[-2:])
        yield "signature with much padding", on(lambda v: v + "====")


def timestamp_mutations(request: Request, name: str) -> Iterator[tuple[str, Request]]:
    """Yield the ways a timestamp header is wrong, all of which are to be rejected."""

    def on(change: Callable[[str], object] | None) -> Request:
        return with_header(request, name, change)

    right = value_of(request, name)
    yield "timestamp flipped", on(lambda v: v[:-1] + ("1" if v[-1] != "1" else "2"))
    yield "timestamp missing", on(None)
    yield "timestamp empty", on(lambda _: "")
    yield "timestamp with an underscore", on(lambda v: v[:3] + "_" + v[3:])
    yield "timestamp with a plus sign", on(lambda v: "+" + v)
    yield "timestamp a fraction", on(lambda v: v + ".0")
    yield "timestamp with an exponent", on(lambda _: "1.8e9")
    yield "timestamp in Arabic digits", on(lambda v: v.translate(ARABIC_DIGITS))
    yield "timestamp negative", on(lambda v: "-" + v)
    yield "timestamp a word", on(lambda _: "nan")
    yield "timestamp huge", on(lambda _: {"repeat": ["9", 5000]})
    yield "timestamp doubled", add_header(request, name, right)


def body_mutations(request: Request) -> Iterator[tuple[str, Request]]:
    """Yield the ways a signed body is not the one that was signed."""
    body = str(request["body"])
    yield "body flipped", request | {"body": flip(body)}
    yield "body with a blank more", request | {"body": body + " "}
    yield "body empty", request | {"body": ""}
    yield (
        "body not UTF-8",
        request | {"body": {"base64": base64.b64encode(b"\xff\xfe" + body.encode()).decode()}},
    )


def id_mutations(request: Request, name: str) -> Iterator[tuple[str, Request]]:
    """Yield the ways a signed id header is wrong."""

    def on(change: Callable[[str], object] | None) -> Request:
        return with_header(request, name, change)

    yield "id flipped", on(flip)
    yield "id missing", on(None)
    yield "id empty", on(lambda _: "")
    yield "id not ASCII", on(lambda v: v + "ü")
    yield "id huge", on(lambda _: {"repeat": ["a", 8000]})
    yield "id doubled", add_header(request, name, value_of(request, name))
