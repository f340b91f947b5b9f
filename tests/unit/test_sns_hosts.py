"""Whose host an SNS certificate may come from, and whom a subscription's URL may lead to."""

import json

import pytest
from multidict import CIMultiDict

from dispatchd.verify import Auth, Inbound, Pinned
from dispatchd.verify.endpoint import compile_verifier

TOPIC = "arn:aws:sns:us-east-1:123456789012:t"
REGIONS = ("us-east-1", "eu-central-2", "ap-southeast-5", "us-gov-west-1", "mx-central-1")
BUCKETS = ("s3", "s3-us-west-2", "s3-website-us-east-1", "s3-accesspoint", "elb", "us-east-1-s3")


class NoSource:
    def get(self, url: str) -> bytes | None:
        return None

    def roots(self) -> bytes:
        return b""


def wanted(url: str) -> Pinned | None:
    verifier = compile_verifier(Auth("aws-sns", topics=(TOPIC,)), NoSource())
    body = json.dumps({"TopicArn": TOPIC, "Signature": "x", "SigningCertURL": url}).encode()
    return verifier.pinned(Inbound("POST", CIMultiDict(), "", body, 0.0))


@pytest.mark.parametrize("region", REGIONS)
def test_a_regions_own_host_is_asked(region: str) -> None:
    assert wanted(f"https://sns.{region}.amazonaws.com/SimpleNotificationService-a.pem")


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_bucket_called_sns_is_no_region(bucket: str) -> None:
    """`https://sns.s3.amazonaws.com/` is what the owner of a bucket of that name puts there."""
    assert wanted(f"https://sns.{bucket}.amazonaws.com/SimpleNotificationService-a.pem") is None
    verifier = compile_verifier(Auth("aws-sns", topics=(TOPIC,)), NoSource())
    document = {
        "Type": "SubscriptionConfirmation",
        "Signature": "x",
        "TopicArn": TOPIC,
        "SubscribeURL": f"https://sns.{bucket}.amazonaws.com/?Action=ConfirmSubscription"
        f"&TopicArn={TOPIC}&Token=x",
    }
    answer = verifier.handshake(Inbound("POST", CIMultiDict(), "", b"", 0.0), document)
    assert answer is not None
    assert (answer.status, answer.visit) == (400, "")
