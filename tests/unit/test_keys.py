"""Keys: what a stranger's signatures cost."""

import hmac

import pytest
from multidict import CIMultiDict

from dispatchd.verify import Auth, Genuine, Inbound, compile_verifier

SECRETS = (b"a" * 24, b"b" * 24)


def test_a_body_is_hashed_once_for_each_secret_however_many_signatures_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sixteen signatures and two secrets were 32 times the body, hashed before any proof."""
    hashed: list[bytes] = []
    new = hmac.new

    class Watched:
        """What `hmac.new` returns, and its copies."""

        def __init__(self, made: hmac.HMAC) -> None:
            self._made = made
            self.digest = made.digest

        def copy(self) -> "Watched":
            return Watched(self._made.copy())

        def update(self, message: bytes) -> None:
            hashed.append(message)
            self._made.update(message)

    monkeypatch.setattr(hmac, "new", lambda *args, **named: Watched(new(*args, **named)))
    verifier = compile_verifier(Auth("stripe", secrets=SECRETS))
    right = hmac.digest(SECRETS[1], b"1700000000.{}", "sha256").hex()
    signatures = ["0" * 64] * 13 + [right]
    header = ",".join(["t=1700000000", *(f"v1={signature}" for signature in signatures)])
    headers = CIMultiDict({"Stripe-Signature": header})
    verdict = verifier.verify(Inbound("POST", headers, "", b"{}", 1_700_000_000.0))
    assert verdict == Genuine("stripe[1]")
    assert len(hashed) == len(SECRETS)
