"""From one provider's way of signing to its vector file."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import mutations as mutate
from signers import NOW_S

HERE = Path(__file__).parent
API_KEY = "dsp_vector-key-0123456789abcdef"
OLD, NEW, WRONG = "old-secret-Q7", "new-secret-8Z", "wrong-secret-1"


class Vectors:
    """The cases of one provider."""

    def __init__(self, provider: str, source: str, auth: dict) -> None:
        self.document = {
            "provider": provider,
            "signed_by": source,
            "now_s": NOW_S,
            "api_key": API_KEY,
            "auth": auth,
            "cases": [],
        }
        self.auth = auth

    def add(self, name: str, request: dict, *, ok: bool, **more) -> None:
        """Add one case; `more` may hold by, code, auth, event_type, delivery_id."""
        case = {"name": name, "request": {"method": "POST", "query": ""} | request, "ok": ok}
        self.document["cases"].append(case | more)

    def reject(self, cases: Iterable[tuple[str, dict]], prefix: str = "") -> None:
        """Add cases that are all to be rejected."""
        for name, request in cases:
            self.add(prefix + name, request, ok=False)

    def api_keys(self, request: dict, headers: list[str]) -> None:
        """Add the cases around API keys: only without any signature header do they count."""
        bare = request
        for name in headers:
            bare = mutate.with_header(bare, name, None)
        keyed = mutate.add_header(bare, "Authorization", f"Bearer {API_KEY}")
        self.add("no signature at all", bare, ok=False, code="unauthenticated")
        self.add("API key instead", keyed, ok=True, by="api_key:vectors")
        self.add(
            "wrong API key instead",
            mutate.add_header(bare, "Authorization", f"Bearer {API_KEY}x"),
            ok=False,
            code="invalid_api_key",
        )
        wrong = mutate.with_header(request, headers[0], mutate.flipped_text)
        self.add(
            "wrong signature beside a right API key",
            mutate.add_header(wrong, "Authorization", f"Bearer {API_KEY}"),
            ok=False,
        )
        empty = mutate.with_header(request, headers[0], lambda _: "")
        self.add(
            "empty signature beside a right API key",
            mutate.add_header(empty, "Authorization", f"Bearer {API_KEY}"),
            ok=False,
        )

    def write(self) -> None:
        """Write the file, one case a line."""
        head = {k: v for k, v in self.document.items() if k != "cases"}
        lines = [json.dumps(case, ensure_ascii=True) for case in self.document["cases"]]
        text = json.dumps(head, ensure_ascii=True, indent=1)[:-2]
        path = HERE / f"{self.document['provider']}.json"
        path.write_text(text + ',\n "cases": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n")
        sys.stdout.write(f"{path.name}: {len(lines)} cases, {path.stat().st_size} bytes\n")


def hmac_provider(
    provider: str,
    source: str,
    sign,
    *,
    header: str,
    encoding: str,
    prefix: str = "",
    body: str,
    extra: list | None = None,
    timestamp: str = "",
    timed: bool = False,
    id_header: str = "",
    auth: dict | None = None,
    old: str = OLD,
    new: str = NEW,
    wrong: str = WRONG,
    expect: dict | None = None,
) -> Vectors:
    """Write the cases that every signed header has in common.

    `sign(secret, body, now_s)` returns the headers that the provider would send.
    """
    vectors = Vectors(provider, source, {"secrets": [new, old]} | (auth or {}))

    def request(secret: str, text: str = body, at_s: int = NOW_S) -> dict:
        return {"headers": sign(secret, text, at_s) + (extra or []), "body": text}

    right = request(new)
    expect = expect or {}
    vectors.add("valid", right, ok=True, **expect)
    vectors.add("valid, the older secret of a rotation", request(old), ok=True)
    vectors.add("signed with a secret that is gone", request(wrong), ok=False)
    vectors.add("valid, header names in lower case", _lower(right), ok=True, **expect)
    unicode = body[:-1] + ',"name":"Zoë 東京 🎉","escaped":"\\u00e9"}'
    vectors.add("valid, UTF-8 and escapes in the body", request(new, unicode), ok=True)
    vectors.reject(mutate.signature_mutations(right, header, encoding, prefix))
    vectors.reject(mutate.body_mutations(right))
    if encoding == "hex":
        upper = mutate.with_header(right, header, lambda v: prefix + v[len(prefix) :].upper())
        vectors.add("valid, hex in upper case", upper, ok=True)
    if timestamp:
        vectors.reject(mutate.timestamp_mutations(right, timestamp))
    if timestamp or timed:
        times(vectors, lambda at_s: request(new, at_s=at_s))
    if id_header:
        vectors.reject(mutate.id_mutations(right, id_header))
    vectors.api_keys(right, [header])
    return vectors


def times(vectors: Vectors, request) -> None:
    """Add the cases at both edges of the tolerance."""
    vectors.add("at the old edge", request(NOW_S - 300), ok=True)
    vectors.add("at the early edge", request(NOW_S + 300), ok=True)
    vectors.add("too old", request(NOW_S - 301), ok=False, code="stale_timestamp")
    vectors.add("too early", request(NOW_S + 301), ok=False, code="stale_timestamp")
    vectors.add("a year old", request(NOW_S - 31_536_000), ok=False, code="stale_timestamp")
    vectors.add(
        "old, but within a wider tolerance",
        request(NOW_S - 3600),
        ok=True,
        auth={"tolerance_s": 7200},
    )


def _lower(request: dict) -> dict:
    return request | {"headers": [[name.lower(), value] for name, value in request["headers"]]}
