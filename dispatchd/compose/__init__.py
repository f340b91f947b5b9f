"""What is sent to each type of destination, and what its answer means: a Courier each. Pure."""

from dispatchd.compose.courier import Courier, Fills, Speaks, judge_http
from dispatchd.compose.forward import NEVER, PATH_PREFIX, Forwarding
from dispatchd.compose.webhook import Signs, WebhookCourier, header_case, own_headers

__all__ = [
    "NEVER",
    "PATH_PREFIX",
    "Courier",
    "Fills",
    "Forwarding",
    "Signs",
    "Speaks",
    "WebhookCourier",
    "header_case",
    "judge_http",
    "own_headers",
]
