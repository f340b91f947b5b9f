"""What is sent to each type of destination, and what its answer means: a Courier each. Pure."""

from dispatchd.compose.courier import Courier, judge_http
from dispatchd.compose.webhook import WebhookCourier, header_case

__all__ = ["Courier", "WebhookCourier", "header_case", "judge_http"]
