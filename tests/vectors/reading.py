"""Read the vector files: each case as what dispatchd's verifier takes."""

import base64
import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from multidict import CIMultiDict
from mutations import mutated

from dispatchd import verify

HERE = Path(__file__).parent
PROVIDERS = tuple(sorted(path.stem for path in HERE.glob("*.json")))


class Documents:
    """The certificates and key sets that a vector file brings along."""

    def __init__(self, by_url: dict[str, str], roots: str) -> None:
        self._by_url = by_url
        self._roots = roots

    def get(self, url: str) -> bytes | None:
        pem = self._by_url.get(url)
        return None if pem is None else pem.encode()

    def roots(self) -> bytes:
        return self._roots.encode()


@lru_cache
def document_of(provider: str) -> dict:
    """Return a vector file with all its cases, those that its mutations make among them."""
    document = json.loads((HERE / f"{provider}.json").read_text())
    document["cases"] += list(mutated(document))
    return document


def every_case() -> Iterator[tuple[str, dict, dict]]:
    """Yield a readable id, the file's document and the case."""
    for provider in PROVIDERS:
        document = document_of(provider)
        for case in document["cases"]:
            yield f"{provider}: {case['name']}", document, case


def expand(value: object) -> bytes:
    """Return a body or header as bytes: text, `{"base64": …}` or `{"repeat": [text, times]}`."""
    if isinstance(value, str):
        return value.encode()
    if "repeat" in value:
        text, times = value["repeat"]
        return text.encode() * times
    return base64.b64decode(value["base64"])


def jwt_spec(fields: dict) -> verify.JwtSpec:
    return verify.JwtSpec(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})


def auth_of(document: dict, case: dict) -> verify.Auth:
    fields = document["auth"] | case.get("auth", {})
    name, key = "vectors", document["api_key"]
    spec = fields.pop("jwt", None)
    return verify.Auth(
        jwt=None if spec is None else jwt_spec(spec),
        topics=tuple(fields.pop("topics", [])),
        provider=document["provider"],
        secrets=tuple(secret.encode() for secret in fields.pop("secrets", [])),
        public_keys=tuple(fields.pop("public_keys", [])),
        verify_token=fields.pop("verify_token", "").encode(),
        api_keys=(verify.ApiKey(name, hashlib.sha256(key.encode()).digest()),),
        **fields,
    )


def sender_of(document: dict, case: dict) -> verify.Inbound:
    request = case["request"]
    headers = CIMultiDict(
        (name, expand(value).decode("utf-8", "surrogateescape"))
        for name, value in request["headers"]
    )
    return verify.Inbound(
        request["method"],
        headers,
        expand(request["query"]).decode(),
        expand(request["body"]),
        float(document["now_s"]),
    )


def verifier_of(document: dict, case: dict) -> verify.Verifier:
    documents = Documents(document.get("certificates", {}), document.get("roots", ""))
    return verify.compile_verifier(auth_of(document, case), documents)
