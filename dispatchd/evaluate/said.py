"""What a rendered template says, and why it might not be said."""

from typing import Any

from dispatchd.compose.terms import terms_problem
from dispatchd.message import Said, Terms
from dispatchd.templates.normal import NORMAL, message_of, says_nothing

__all__ = ["NORMAL", "said_of", "said_problem"]


def said_of(variant: str, tree: Any) -> Said:
    """Read a rendered tree: a message in normal form, or a type's own terms."""
    return message_of(tree) if variant == NORMAL else Terms(variant, tree)


def said_problem(said: Said) -> str | None:
    """Say why this would not be taken, None where it may: the destination's own wording goes."""
    if isinstance(said, Terms):
        return terms_problem(said)
    return "it says nothing" if says_nothing(said) else None
