"""From one provider's way of signing to its vector file."""

import json
import sys
from pathlib import Path

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
            "mutations": [],
            "cases": [],
        }
        self.auth = auth

    def add(self, name: str, request: dict, *, ok: bool, **more) -> None:
        """Add one case; `more` may hold by, code, auth, event_type, delivery_id."""
        case = {"name": name, "request": {"method": "POST", "query": ""} | request, "ok": ok}
        self.document["cases"].append(case | more)

    def mutated(self, of: str, *by: list[str], prefix: str = "") -> None:
        """Have the case named `of` spoiled (or spelled otherwise) in these ways when it is read."""
        entry = {"of": of, "by": list(by)}
        self.document["mutations"].append(entry | ({"prefix": prefix} if prefix else {}))

    def text(self) -> str:
        """Return the file's text, one case a line."""
        head = {k: v for k, v in self.document.items() if k not in ("cases", "mutations")}
        text = json.dumps(head, ensure_ascii=True, indent=1)[:-2]
        for key in ("mutations", "cases"):
            lines = [json.dumps(line, ensure_ascii=True) for line in self.document[key]]
            text += f',\n "{key}": [\n  ' + ",\n  ".join(lines) + "\n ]"
        return text + "\n}\n"

    def write(self) -> None:
        """Write the file."""
        path = HERE / f"{self.document['provider']}.json"
        path.write_text(self.text())
        sys.stdout.write(f"{path.name}: {path.stat().st_size} bytes\n")


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
    unicode = body[:-1] + ',"name":"Zoë 東京 🎉","escaped":"\\u00e9"}'
    vectors.add("valid, UTF-8 and escapes in the body", request(new, unicode), ok=True)
    ways = [["spelling", header, encoding, prefix], ["signature", header, encoding, prefix]]
    ways += [["body"], ["api_keys", header]]
    if timestamp:
        ways.append(["timestamp", timestamp])
    if id_header:
        ways.append(["id", id_header])
    vectors.mutated("valid", *ways)
    if timestamp or timed:
        times(vectors, lambda at_s: request(new, at_s=at_s))
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
