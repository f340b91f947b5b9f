"""adnanh/webhook's trigger rules: what of them proves a sender, and the rest as a filter.

Sources: its docs/Hook-Rules.md and docs/Referencing-Request-Values.md. What has no equal becomes
`false`, so that nothing runs which its rule would have kept from running.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from dispatchd.frozen import frozen
from dispatchd.match import expression_problem

_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_INDEX: Final = re.compile(r"[0-9]+", re.ASCII)
_SIGNED: Final = re.compile(r"payload-(?:hmac|hash)-(sha1|sha256|sha512)")
_ROOT: Final = re.compile(r"root\.[0-9]+(?:\.|$)", re.ASCII)
_FLAGS: Final = re.compile(r"\(\?([im]+)\)")
_TOKEN: Final = re.compile(r"token|secret|passw|auth|key|signature", re.IGNORECASE)
# What RE2 means by these is nothing, or something else, to JSONata, whose regexes are JavaScript's.
_GOS_OWN: Final = re.compile(r"(?<!\\)(?:\\\\)*\\(?:[AzZQEpPCa]|x\{)|\[:")
_SLASH: Final = re.compile(r"(?<!\\)((?:\\\\)*)/")
_ESCAPED: Final = r"\1\/"
TRUE: Final = "true"
FALSE: Final = "false"


@frozen
class Signed:
    """A signature that a rule asks for: `header` holds it, made with one of so many `secrets`.

    `also` are the headers that it is over, behind the body.
    """

    algorithm: str
    header: str
    scalr: bool = False
    plain: bool = False
    also: tuple[str, ...] = ()
    secrets: int = 1


@dataclass(slots=True)
class Rules:
    """What becomes of a hook's rules. `notes` are what has no equal, in sentences."""

    signed: list[Signed] = field(default_factory=list)
    networks: list[IPv4Network | IPv6Network] | None = None  # None: any
    notes: list[str] = field(default_factory=list)
    asks_for_proof: bool = False  # in some way, whether or not it has an equal


def read_rules(rule: Any) -> tuple[Rules, str]:
    """Read a trigger rule; return what proves the sender, and a JSONata filter (`true`: all)."""
    rules = Rules()
    of_several = isinstance(rule, dict) and isinstance(rule.get("and"), list)
    parts = list(_conjuncts(rule))
    wanted = [_required(rules, part, _within_all if of_several else _expression) for part in parts]
    expression = _joined([part for part in wanted if part != TRUE], "and", TRUE)
    if "$contains(" in expression:
        rules.notes.append(
            "a filter that fails lets its event through, as where a regex takes too long:"
            " prove the sender"
        )
    return rules, expression


def _conjuncts(rule: Any) -> Iterator[Any]:
    """Yield the parts of a rule that must all hold."""
    if isinstance(rule, dict) and isinstance(rule.get("and"), list):
        for part in rule["and"]:
            yield from _conjuncts({} if part is None else part)
    elif rule is not None:
        yield rule


def _required(rules: Rules, rule: Any, otherwise: Callable[[Rules, Any], str]) -> str:
    """Read a part that must hold: what it proves needs no filter."""
    rule = rule if isinstance(rule, dict) else {"not a rule": rule}
    match = rule.get("match")
    if isinstance(match, dict) and match.get("type") == "ip-whitelist" and "or" not in rule:
        return _network(rules, match)
    choices = rule["or"] if isinstance(rule.get("or"), list) else [rule]
    signed = [_signed(choice) for choice in choices]
    first = signed[0] if signed else None
    if first is None or any(other != first for other in signed):
        return otherwise(rules, rule)
    rules.signed.append(replace(first, secrets=len(signed)))
    if first.scalr:
        rules.notes.append("the age of a Scalr signature, in its Date header, is not looked at")
    return TRUE


def _signed(rule: Any) -> Signed | None:
    """Return the signature that a rule asks for, and nothing else; None where it does not."""
    match = rule.get("match") if isinstance(rule, dict) else None
    if not isinstance(match, dict) or any(rule.get(key) is not None for key in ("and", "or")):
        return None
    kind, source, name = _asked(match)
    if kind == "scalr-signature":
        return Signed("sha1", "X-Signature", scalr=True, also=("Date",))
    if (signed := _SIGNED.fullmatch(kind)) is not None and source == "header":
        also = match["parameter"].get("headers-to-add-to-signature-payload")
        headers = tuple(map(str, also)) if isinstance(also, list) else ()
        return Signed(signed[1], name, also=headers)
    if kind == "value" and source == "header" and name.lower() == "x-gitlab-token":
        return Signed("", name, plain=True)
    return None


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
        networks = [
            ip_network(text, strict=False) for text in str(match.get("ip-range", "")).split()
        ]
    except ValueError:
        rules.notes.append("an ip-range is no network, so nothing runs; put it in allow_ips")
        return FALSE
    if rules.networks is not None:  # both must hold: what they have in common
        pairs = [(a, b) for a in rules.networks for b in networks if a.overlaps(b)]
        networks = [max(pair, key=lambda network: network.prefixlen) for pair in pairs]
    if not networks:
        rules.notes.append("ip-range leaves no network, so nothing runs; put it in allow_ips")
        return FALSE
    rules.networks = networks
    return TRUE


def _expression(rules: Rules, rule: Any) -> str:
    """Return a rule as JSONata that yields true or false."""
    if not isinstance(rule, dict):
        return _none(rules, "a part of trigger-rule is no rule")
    if isinstance(rule.get("and"), list):
        return _joined([_within_all(rules, part) for part in rule["and"]], "and", TRUE)
    if isinstance(rule.get("or"), list):
        return _joined([_expression(rules, part) for part in rule["or"]], "or", FALSE)
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


def _within_all(rules: Rules, rule: Any) -> str:
    """Return a rule of which others depend: there, a value that is missing is never right."""
    expression = _expression(rules, rule)
    turned = rule.get("not") if isinstance(rule, dict) else None
    match = turned.get("match") if isinstance(turned, dict) else None
    if not isinstance(match, dict) or not expression.startswith("$not("):
        return expression
    return f"($exists({_place(*_asked(match)[1:])}) and {expression})"


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
    if regex is None or expression_problem(found) is not None or not _compiles(regex):
        return _none(rules, f"a regex on the {source} parameter {name} is not one of JSONata's")
    return found


def _none(rules: Rules, note: str) -> str:
    rules.notes.append(f"{note}; until you replace it by what you need, it counts as false")
    return FALSE


def _place(source: str, name: str) -> str | None:
    """Return where JSONata finds a value; None where it cannot."""
    if source == "payload":
        name = without_root(name)
        return "body" + "".join(
            f"[{step}]" if _INDEX.fullmatch(step) else f".{_step(step)}" for step in name.split(".")
        )
    if source == "header":
        return f"$lookup(headers, {quoted(name.lower())})"
    if source == "request" and name.lower() == "remote-addr":
        return "source_ip"
    return None


def without_root(name: str) -> str:
    """Return a path into the body: webhook calls one that is a list `root`."""
    return name.removeprefix("root.") if _ROOT.match(name) else name


def _step(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else f"`{name.replace('`', '')}`"


def _regex(written: str) -> str | None:
    """Return Go's regex as JSONata's literal: empty for one that takes all, None for none."""
    flags = ""
    if (found := _FLAGS.match(written)) is not None:
        flags, written = found[1], written[found.end() :]
    if written in ("", ".*"):
        return ""
    if "(?" in written.replace("(?:", "") or "\n" in written or _GOS_OWN.search(written):
        return None
    return f"/{_SLASH.sub(_ESCAPED, written)}/{flags}"


def _compiles(regex: str) -> bool:
    """Whether JSONata takes a regex, which it looks at when it is used."""
    from jlens import Expression, JlensError  # noqa: PLC0415 - not for --help

    try:
        Expression(f'$contains("", {regex})').evaluate({})
    except JlensError:
        return False
    return True


def quoted(text: str) -> str:
    """Spell a text for JSONata."""
    import json  # noqa: PLC0415 - not for --help

    return json.dumps(text)


def _joined(parts: list[str], word: str, alone: str) -> str:
    if not parts:
        return alone
    return parts[0] if len(parts) == 1 else f"({f' {word} '.join(parts)})"
