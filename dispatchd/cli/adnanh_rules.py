"""adnanh/webhook's trigger rules: what of them proves a sender, and the rest as a filter.

Sources: its docs/Hook-Rules.md and docs/Referencing-Request-Values.md. What has no equal becomes
`false`, so that nothing runs which its rule would have kept from running.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, Final

from dispatchd.match import expression_problem

_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_INDEX: Final = re.compile(r"[0-9]+", re.ASCII)
_SIGNED: Final = re.compile(r"payload-(?:hmac|hash)-(sha1|sha256|sha512)")
_FLAGS: Final = re.compile(r"\(\?([im]+)\)")
_TOKEN: Final = re.compile(r"token|secret|passw|auth|key|signature", re.IGNORECASE)
_SLASH: Final = re.compile(r"(?<!\\)((?:\\\\)*)/")
_ESCAPED: Final = r"\1\/"
TRUE: Final = "true"
FALSE: Final = "false"


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that a rule asks for: `header` holds it; `secret` is what it is made with."""

    algorithm: str
    header: str
    secret: str
    scalr: bool = False
    plain: bool = False


@dataclass(slots=True)
class Rules:
    """What becomes of a hook's rules. `notes` are what has no equal, in sentences."""

    signed: list[Signed] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    asks_for_proof: bool = False  # in some way, whether or not it has an equal


def read_rules(rule: Any) -> tuple[Rules, str]:
    """Read a trigger rule; return what proves the sender, and a JSONata filter (`true`: all)."""
    rules = Rules()
    wanted = [_required(rules, part) for part in _conjuncts(rule)]
    return rules, _joined([part for part in wanted if part != TRUE], "and", TRUE)


def _conjuncts(rule: Any) -> Iterator[Any]:
    """Yield the parts of a rule that must all hold."""
    if isinstance(rule, dict) and isinstance(rule.get("and"), list):
        for part in rule["and"]:
            yield from _conjuncts(part)
    elif rule:
        yield rule


def _required(rules: Rules, rule: Any) -> str:
    """Read a part that must hold: what it proves needs no filter."""
    match = rule.get("match") if isinstance(rule, dict) else None
    if not isinstance(match, dict):
        return _expression(rules, rule)
    kind, source, name = _asked(match)
    if kind == "ip-whitelist":
        return _network(rules, match)
    if kind == "scalr-signature":
        rules.signed.append(Signed("sha1", "X-Signature", str(match.get("secret", "")), scalr=True))
        rules.notes.append("the age of a Scalr signature, in its Date header, is not looked at")
        return TRUE
    if (signed := _SIGNED.fullmatch(kind)) is not None and source == "header":
        rules.signed.append(Signed(signed[1], name, str(match.get("secret", ""))))
        return TRUE
    if kind == "value" and source == "header" and name.lower() == "x-gitlab-token":
        rules.signed.append(Signed("", name, str(match.get("value", "")), plain=True))
        return TRUE
    return _expression(rules, rule)


def _asked(match: dict[str, Any]) -> tuple[str, str, str]:
    parameter = match.get("parameter")
    parameter = parameter if isinstance(parameter, dict) else {}
    return (
        str(match.get("type", "")),
        str(parameter.get("source", "")),
        str(parameter.get("name", "")),
    )


def _network(rules: Rules, match: dict[str, Any]) -> str:
    try:
        rules.networks += [
            str(ip_network(text, strict=False)) for text in str(match.get("ip-range", "")).split()
        ]
    except ValueError:
        rules.notes.append("an ip-range is no network, so nothing runs; put it in allow_ips")
        return FALSE
    return TRUE


def _expression(rules: Rules, rule: Any) -> str:
    """Return a rule as JSONata that yields true or false."""
    if not isinstance(rule, dict):
        return _none(rules, "a part of trigger-rule is no rule")
    for word, alone in (("and", TRUE), ("or", FALSE)):
        if isinstance(rule.get(word), list):
            return _joined([_expression(rules, part) for part in rule[word]], word, alone)
    if "not" in rule:
        inner = Rules()
        expression = _expression(inner, rule["not"])
        rules.notes += inner.notes
        rules.asks_for_proof |= inner.asks_for_proof
        if inner.notes:
            return FALSE  # what is not known cannot be turned round
        return f"$not({expression})"
    match = rule.get("match")
    if not isinstance(match, dict):
        return _none(rules, "a part of trigger-rule is no rule")
    return _match(rules, match)


def _match(rules: Rules, match: dict[str, Any]) -> str:
    kind, source, name = _asked(match)
    if kind not in ("value", "regex"):
        rules.asks_for_proof = True
        return _none(rules, f"{kind or 'a match'} within or or not has no equal")
    if source in ("header", "url", "query") and _TOKEN.search(name):
        rules.asks_for_proof = True
        return _none(
            rules,
            f"the {source} parameter {name} proves the sender: have it sign, or use an API key",
        )
    place = _place(source, name)
    if place is None:
        return _none(rules, f"a rule on the {source} parameter {name} has no equal")
    if kind == "value":
        return f"$string({place}) = {quoted(str(match.get('value', '')))}"
    regex = _regex(str(match.get("regex", "")))
    if regex == "":
        return f"$exists({place})"
    found = f"($exists({place}) and $contains($string({place}), {regex}))"
    if regex is None or expression_problem(found) is not None:
        return _none(rules, f"a regex on the {source} parameter {name} is not one of JSONata's")
    return found


def _none(rules: Rules, note: str) -> str:
    rules.notes.append(f"{note}; until you replace it by what you need, it counts as false")
    return FALSE


def _place(source: str, name: str) -> str | None:
    """Return where JSONata finds a value; None where it cannot."""
    if source == "payload":
        return "body" + "".join(
            f"[{step}]" if _INDEX.fullmatch(step) else f".{_step(step)}" for step in name.split(".")
        )
    if source == "header":
        return f"$lookup(headers, {quoted(name.lower())})"
    if source == "request" and name.lower() == "remote-addr":
        return "source_ip"
    return None


def _step(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else f"`{name.replace('`', '')}`"


def _regex(written: str) -> str | None:
    """Return Go's regex as JSONata's literal: empty for one that takes all, None for none."""
    flags = ""
    if (found := _FLAGS.match(written)) is not None:
        flags, written = found[1], written[found.end() :]
    if written in ("", ".*"):
        return ""
    if "(?" in written.replace("(?:", "") or "\n" in written:
        return None
    return f"/{_SLASH.sub(_ESCAPED, written)}/{flags}"


def quoted(text: str) -> str:
    """Spell a text for JSONata."""
    import json  # noqa: PLC0415 - not for --help

    return json.dumps(text)


def _joined(parts: list[str], word: str, alone: str) -> str:
    if not parts:
        return alone
    return parts[0] if len(parts) == 1 else f"({f' {word} '.join(parts)})"
