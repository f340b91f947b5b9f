"""Amazon SNS's cases: RSA and X.509 by cryptography, over the text that AWS describes."""

import json

import mutations as mutate
import signers
from recipe import Vectors

HOST = "https://sns.us-east-1.amazonaws.com"
CERT = f"{HOST}/SimpleNotificationService-"
TOPIC = "arn:aws:sns:us-east-1:123456789012:orders"
TEXT = [["Content-Type", "text/plain; charset=UTF-8"]]
NOTIFICATION = {
    "Type": "Notification",
    "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
    "TopicArn": TOPIC,
    "Subject": "My First Message",
    "Message": 'A "quoted" line\nand Zoë',
    "Timestamp": "2027-01-15T08:00:00.000Z",
    "SignatureVersion": "1",
    "SigningCertURL": f"{CERT}good.pem",
    "UnsubscribeURL": f"{HOST}/?Action=Unsubscribe&SubscriptionArn={TOPIC}:c913",
}
SUBSCRIPTION = {
    "Type": "SubscriptionConfirmation",
    "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
    "Token": "2336412f37",
    "TopicArn": TOPIC,
    "Message": "You have chosen to subscribe to the topic.",
    "SubscribeURL": f"{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
    "Timestamp": "2027-01-15T08:00:00.000Z",
    "SignatureVersion": "2",
    "SigningCertURL": f"{CERT}good.pem",
}


def request(key: str = "signer", base: dict = NOTIFICATION, **changed) -> dict:
    fields = {k: v for k, v in (base | changed).items() if v is not None}
    return sent(fields | {"Signature": signers.sns(key, fields)})


def sent(fields: dict) -> dict:
    return {"headers": TEXT, "body": json.dumps(fields)}


def aws_sns() -> Vectors:
    vectors = Vectors(
        "aws-sns", "RSA and X.509 by cryptography", {"secrets": [], "topics": [TOPIC]}
    )
    vectors.document["certificates"] = {
        f"{CERT}good.pem": signers.sns_certificate("signer"),
        f"{HOST}/SimpleNotificationService.pem": signers.sns_certificate("signer"),
        "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-a.pem":
            signers.sns_certificate("signer"),
        f"{CERT}older.pem": signers.sns_certificate("older"),
        f"{CERT}expired.pem": signers.sns_certificate("signer", (2024, 2026)),
        f"{CERT}early.pem": signers.sns_certificate("signer", (2030, 2032)),
        f"{CERT}garbage.pem": "not a certificate",
        f"{CERT}empty.pem": "",
    }  # fmt: skip

    right = request()
    vectors.add("valid", right, ok=True, by="aws-sns[0]",
                delivery_id=NOTIFICATION["MessageId"], event_type=None)  # fmt: skip
    vectors.add("valid, version 2", request(SignatureVersion="2"), ok=True)
    vectors.add("valid, without a subject", request(Subject=None), ok=True)
    vectors.add("valid, the older certificate of a rotation",
                request("older", SigningCertURL=f"{CERT}older.pem"), ok=True)  # fmt: skip
    first = f"{HOST}/SimpleNotificationService.pem"
    vectors.add("valid, the first of all certificates", request(SigningCertURL=first), ok=True)
    china = "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-a.pem"
    vectors.add("valid, China", request(SigningCertURL=china), ok=True)
    vectors.add("valid, an empty message", request(Message=""), ok=True)
    gone = request(base=SUBSCRIPTION | {"Type": "UnsubscribeConfirmation"})
    vectors.add("valid, the end of a subscription", gone, ok=True,
                event_type="UnsubscribeConfirmation")  # fmt: skip
    vectors.add("valid, a subscription", request(base=SUBSCRIPTION), ok=True, http=200)
    for name, at in (("at the old edge", "06:55:00"), ("at the early edge", "08:05:00")):
        vectors.add(name, request(Timestamp=f"2027-01-15T{at}.000Z"), ok=True)
    for name, at in (("too old", "06:54:59"), ("too early", "08:05:01")):
        vectors.add(name, request(Timestamp=f"2027-01-15T{at}.000Z"), ok=False,
                    code="stale_timestamp")  # fmt: skip
    _spoiled(vectors, right)
    _certificates(vectors)
    _api_keys(vectors, right)
    return vectors


def _spoiled(vectors: Vectors, right: dict) -> None:
    signed = json.loads(right["body"])
    for field in ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type", "Signature"):
        value = signed[field]
        spoiled = {"flipped": mutate.flip(value), "empty": "", "not ASCII": value + "é",
                   "huge": value * 50, "a number": 5, "a list": [value], "null": None}  # fmt: skip
        for name, wrong in spoiled.items():
            if not (field == "Signature" and wrong is None):
                vectors.add(f"{field} {name}", sent(signed | {field: wrong}), ok=False)
        rest = {k: v for k, v in signed.items() if k != field}
        vectors.add(f"{field} missing", sent(rest), ok=False)
        doubled = json.dumps({field: value})[:-1] + "," + right["body"][1:]
        vectors.add(f"{field} doubled", right | {"body": doubled}, ok=False)
    evil = right["body"].replace("{", '{"Message":"evil",', 1)
    vectors.add("Message doubled with another", right | {"body": evil}, ok=False)
    other = "arn:aws:sns:us-east-1:999999999999:orders"
    for name, wrong in {
        "signed by a stranger": request("stranger"),
        "another topic": request(TopicArn=other),
        "another kind": request(base=NOTIFICATION, Type="Notification2"),
        "version 3": request(SignatureVersion="3"),
        "version missing": request(SignatureVersion=None),
        "version 1 called 2": sent(signed | {"SignatureVersion": "2"}),
        "a confirmation's address flipped": sent(json.loads(request(base=SUBSCRIPTION)["body"])
            | {"SubscribeURL": "https://evil.example/"}),
        "body a list": {"headers": TEXT, "body": "[" + right["body"] + "]"},
        "body cut": {"headers": TEXT, "body": right["body"][:-1]},
        "body empty": {"headers": TEXT, "body": ""},
    }.items():  # fmt: skip
        vectors.add(name, wrong, ok=False)


def _certificates(vectors: Vectors) -> None:
    for name in ("expired", "early", "garbage", "empty"):
        wrong = request(SigningCertURL=f"{CERT}{name}.pem")
        vectors.add(f"certificate {name}", wrong, ok=False, code="invalid_signature")
    absent = request(SigningCertURL=f"{CERT}absent.pem")
    vectors.add("certificate not at hand", absent, ok=False, code="certificate_unavailable")
    good = f"{CERT}good.pem"
    for url in (
        good.replace("https", "http"), good.replace("amazonaws.com", "amazonaws.com.evil.com"),
        good.replace("sns.us-east-1.amazonaws.com", "evil.com"), good + "?Action=x", good + "#x",
        f"{HOST}/?x=/SimpleNotificationService-good.pem", f"{HOST}/good.pem", f"{HOST}/a/../b.pem",
        good.replace("https://", "https://evil.com@"), good.replace(".com/", ".com:444/"),
        good.replace("sns.us-east-1", "s3.us-east-1"), good.replace("sns.us-east-1", "sns"),
        good.replace("sns.us-east-1.", "sns.us-east-1.x."), good + "\n", "file:///etc/passwd", "",
    ):  # fmt: skip
        vectors.add(f"certificate URL {url!r}", request(SigningCertURL=url), ok=False,
                    code="invalid_signature")  # fmt: skip


def _api_keys(vectors: Vectors, right: dict) -> None:
    signed = json.loads(right["body"])
    vectors.add("API key instead", {"headers": [*TEXT, ["Authorization",
                f"Bearer {vectors.document['api_key']}"]], "body": "{}"}, ok=True,
                by="api_key:vectors")  # fmt: skip
    vectors.add("no signature at all", {"headers": TEXT, "body": "{}"}, ok=False,
                code="unauthenticated")  # fmt: skip
    key = ["Authorization", f"Bearer {vectors.document['api_key']}"]
    vectors.add("wrong signature beside a right API key",
                sent(signed | {"Message": "x"}) | {"headers": [*TEXT, key]}, ok=False)  # fmt: skip
