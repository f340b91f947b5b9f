"""What every provider's valid request is turned into: one request, many ways of being wrong.

The vector files hold what has to be signed; `mutated` makes the rest of it when they are read.
"""

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
    request: Request, name: str, encoding: str, prefix: str, kind: str = ""
) -> Iterator[tuple[str, Request]]:
    """Yield the ways a signature header is wrong, all of which are to be rejected.

    Of a `list` one right signature is enough.
    """

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
    if kind != "list":
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


def header_mutations(request: Request, name: str, short: str) -> Iterator[tuple[str, Request]]:
    """Yield the ways any other header that is signed, or says how it is signed, is wrong."""
    for word, change in {
        "missing": None,
        "empty": lambda _: "",
        "not ASCII": lambda v: v + "é",
        "huge": lambda _: {"repeat": ["a", 6000]},
        "flipped": flipped_text,
    }.items():
        yield f"{short} {word}", with_header(request, name, change)
    yield f"{short} doubled", add_header(request, name, value_of(request, name))


def spellings(
    request: Request, header: str, encoding: str, prefix: str
) -> Iterator[tuple[str, Request]]:
    """Yield the ways a right request may also be written."""
    lower = [[str(name).lower(), value] for name, value in request["headers"]]
    yield "valid, header names in lower case", request | {"headers": lower}
    if encoding == "hex":
        upper = with_header(request, header, lambda v: prefix + v[len(prefix) :].upper())
        yield "valid, hex in upper case", upper


def api_keys(request: Request, header: str, key: str) -> Iterator[tuple[str, Request, dict]]:
    """Yield the cases around API keys: only without any signature header do they count."""
    bare = with_header(request, header, None)

    def keyed(request: Request, key: str = key) -> Request:
        return add_header(request, "Authorization", f"Bearer {key}")

    refused = {"ok": False}
    yield "no signature at all", bare, refused | {"code": "unauthenticated"}
    yield "API key instead", keyed(bare), {"ok": True, "by": "api_key:vectors"}
    yield "wrong API key instead", keyed(bare, key + "x"), refused | {"code": "invalid_api_key"}
    wrong = with_header(request, header, flipped_text)
    yield "wrong signature beside a right API key", keyed(wrong), refused
    empty = with_header(request, header, lambda _: "")
    yield "empty signature beside a right API key", keyed(empty), refused


SPOILED = {
    "signature": signature_mutations,
    "timestamp": timestamp_mutations,
    "body": body_mutations,
    "id": id_mutations,
    "header": header_mutations,
}


def mutated(document: dict) -> Iterator[dict]:
    """Yield the cases that a vector file's `mutations` make of its requests."""
    by_name = {case["name"]: case for case in document["cases"]}
    for entry in document["mutations"]:
        base = by_name[entry["of"]]
        kept = {key: base[key] for key in ("auth", "http") if key in base}
        for kind, *args in entry["by"]:
            for name, request, more in _made(kind, base, args, document["api_key"]):
                name = entry.get("prefix", "") + name  # noqa: PLW2901 - the name in full
                yield {"name": name, "request": request} | kept | more


def _made(kind: str, base: dict, args: list, key: str) -> Iterator[tuple[str, Request, dict]]:
    request = base["request"]
    if kind == "api_keys":
        yield from api_keys(request, *args, key)
    elif kind == "spelling":
        told = {key: base[key] for key in ("by", "event_type", "delivery_id") if key in base}
        for name, made in spellings(request, *args):
            yield name, made, {"ok": True} | (told if "lower case" in name else {})
    else:
        for name, made in SPOILED[kind](request, *args):
            yield name, made, {"ok": False}
