"""How each sender that is known by name is set up: what `dispatchd try` tells. Data alone."""

from typing import Final

from dispatchd.hints import code, mail, money, talk, tokens, tools
from dispatchd.hints.hint import Hint

GROUPS: Final[dict[str, dict[str, Hint]]] = {
    "Code, issues and builds": code.HINTS,
    "Shops and payments": money.HINTS,
    "Chat, calls and social networks": talk.HINTS,
    "Mail, forms and documents": mail.HINTS,
    "Monitoring, identity, the home": tools.HINTS,
    "Clouds and tokens": tokens.HINTS,
}
HINTS: Final[dict[str, Hint]] = {
    name: hint for group in GROUPS.values() for name, hint in group.items()
}
