"""Adyen signs one item: another beside it would be anybody's."""

import json
from typing import Any

import pytest
from multidict import CIMultiDict

from dispatchd.verify import Auth, Genuine, Inbound, Rejected
from dispatchd.verify.endpoint import compile_verifier

# Adyen's own example, of its PHP library's test.
KEY = b"DFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00"
ITEM = {
    "pspReference": "7914073381342284",
    "merchantAccountCode": "TestMerchant",
    "merchantReference": "TestPayment-1407325143704",
    "amount": {"value": 1130, "currency": "EUR"},
    "eventCode": "AUTHORISATION",
    "success": "true",
    "additionalData": {"hmacSignature": "Ny9gS2veKo5E4w8/OL6xz1/wvT/hYkAXy1xNc/QvO4I="},
}
VERIFIER = compile_verifier(Auth("adyen", secrets=(KEY,)))


def judged(*items: Any) -> Genuine | Rejected:
    body = json.dumps({"live": "false", "notificationItems": list(items)}).encode()
    return VERIFIER.verify(Inbound("POST", CIMultiDict(), "", body, 0.0))


def test_adyens_own_example_is_genuine() -> None:
    assert isinstance(judged({"NotificationRequestItem": ITEM}), Genuine)


@pytest.mark.parametrize(
    "other", [{"NotificationRequestItem": ITEM | {"pspReference": "1"}}, {}, [], "x", 0, True]
)
def test_a_second_item_that_nothing_signs_is_refused(other: Any) -> None:
    assert isinstance(judged({"NotificationRequestItem": ITEM}, other), Rejected)
