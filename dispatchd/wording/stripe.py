"""Words for Stripe's events (docs.stripe.com/api/events, docs.stripe.com/currencies)."""

import re
from typing import Any, Final

from dispatchd.message import Kind, Message
from dispatchd.wording.said import capitalised, fields, first, kind_of, members, plain_words, text

# "Zero-decimal currencies", and those with three digits.
_WHOLE: Final = re.compile("bif|clp|djf|gnf|jpy|kmf|krw|mga|pyg|rwf|ugx|vnd|vuv|xaf|xof|xpf")
_THOUSANDTHS: Final = re.compile("bhd|jod|kwd|omr|tnd")
_AMOUNTS: Final = ("amount", "amount_paid", "amount_due", "amount_total", "amount_received")
_BAD: Final = ("dispute", "radar", "fraud")


def is_it(document: Any) -> bool:
    """Whether a document looks like an event of Stripe's."""
    return text(document, "object") == "event" and bool(members(document, "data", "object"))


def words(event_type: str, document: Any) -> Message | None:
    """Word an event: what happened, the money, whose it is."""
    if not is_it(document):
        return None
    kind = text(document, "type") or event_type
    about = members(document, "data", "object")
    money = _money(about)
    happened = capitalised(plain_words(kind.replace(".", " ")))
    test = text(document, "livemode") == "no"
    where = "test/" if test else ""
    return Message(
        title=f"{happened}: {money}" if money else happened,
        description=first(
            about,
            "failure_message",
            "last_payment_error.message",
            "last_finalization_error.message",
            "description",
        ),
        url=f"https://dashboard.stripe.com/{where}events/{text(document, 'id')[:100]}",
        fields=fields(
            (
                "Customer",
                first(
                    about,
                    "customer_details.email",
                    "billing_details.email",
                    "customer_email",
                    "receipt_email",
                    "email",
                    "customer",
                ),
            ),
            ("Status", plain_words(text(about, "status"))),
            ("Reason", plain_words(first(about, "reason", "cancellation_details.reason"))),
            ("Id", text(about, "id")),
            ("Mode", "test" if test else ""),
        ),
        kind=_kind(kind),
    )


def _kind(kind: str) -> Kind:
    if any(word in kind for word in _BAD):
        return Kind.FAILURE
    last = kind.rpartition(".")[2]
    for word in (last, last.rpartition("_")[2]):
        if (found := kind_of(word)) is not Kind.INFO:
            return found
    return Kind.WARNING if last in ("deleted", "trial_will_end") else Kind.INFO


def _money(about: dict[str, Any]) -> str:
    """Return an amount with its currency; empty where there is none."""
    currency = text(about, "currency").lower()
    amount = next((about[key] for key in _AMOUNTS if about.get(key)), about.get("amount"))
    if not currency.isalpha() or isinstance(amount, bool) or not isinstance(amount, int):
        return ""
    if abs(amount) >= 10**15:
        return ""
    digits = 0 if _WHOLE.fullmatch(currency) else 3 if _THOUSANDTHS.fullmatch(currency) else 2
    return f"{amount / 10**digits:,.{digits}f} {currency[:3].upper()}"
