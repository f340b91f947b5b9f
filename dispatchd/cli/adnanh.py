"""adnanh/webhook's hooks as a dispatchd config, with a comment wherever something has no equal.

Source: its docs/Hook-Definition.md. No secret is copied: each becomes a variable to be set.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from dispatchd.cli.adnanh_rules import Rules, Signed, read_rules, without_root
from dispatchd.errors import DispatchdError
from dispatchd.strangers import printable

_SLUG: Final = re.compile(r"[^A-Za-z0-9._-]+")
_VARIABLE: Final = re.compile(r"[^A-Za-z0-9_]+")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SECRET: Final = re.compile(r"token|secret|passw|pwd|key|credential|auth", re.IGNORECASE)
_UNPRINTABLE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
TOO_DEEP: Final = "it nests too deeply, or within itself"
SUCCESSES: Final = range(200, 300)
# What has no equal, and what to do instead.
_NO_EQUAL: Final = {
    "response-headers": "an answer has no headers of your own but its Content-Type",
    "include-command-output-in-response": "the sender is answered before the command runs;"
    " its output is in dispatchd show EVENT",
    "include-command-output-in-response-on-error": "",
    "trigger-rule-mismatch-http-response-code": "an event that a filter turns away is answered 202",
    "trigger-signature-soft-failures": "a wrong signature is a 401",
    "pass-file-to-command": "there is no file: the body is on stdin",
    "parse-parameters-as-json": "what is JSON within JSON stays text; parse it in the command",
    "pre-hook-command": "nothing runs before an event is kept",
    "keep-file-environment": "",
}
_READ: Final = {
    "id",
    "execute-command",
    "command-working-directory",
    "response-message",
    "success-http-response-code",
    "incoming-payload-content-type",
    "http-methods",
    "pass-arguments-to-command",
    "pass-environment-to-command",
    "trigger-rule",
}


class NotHooks(DispatchdError):  # noqa: N818 - it says what the file is not
    """A file that holds no hooks."""

    exit_code = 2


@dataclass(slots=True)
class Converted:
    """A config, and the names of the variables that it needs with what each is for."""

    yaml: str = ""
    needs: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Hook:
    """A hook on its way: the lines of its endpoint and of its destination."""

    slug: str
    endpoint: list[str] = field(default_factory=list)
    destination: list[str] = field(default_factory=list)
    needs: dict[str, str] = field(default_factory=dict)

    def variable(self, ending: str, purpose: str) -> str:
        """Return a reference to a variable that is to be set."""
        name = _VARIABLE.sub("_", f"{self.slug}_{ending}").upper()
        name = f"HOOK_{name}" if name[0].isdigit() else name
        self.needs[name] = f"{purpose} of the hook {self.slug}"
        return f'"${{{name}}}"'


def read_hooks(text: str) -> list[dict[str, Any]]:
    """Read hooks.json or hooks.yaml. Raises NotHooks."""
    import yaml  # noqa: PLC0415 - not for --help

    try:
        hooks = json.loads(text)
    except ValueError:
        try:
            hooks = yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError):
            raise NotHooks(
                "it is neither JSON nor YAML; a file for webhook's -template must be rendered first"
            ) from None
    except RecursionError:
        raise NotHooks(TOO_DEEP) from None
    try:
        json.dumps(hooks, default=str, skipkeys=True)
    except (ValueError, RecursionError):  # an alias of YAML's may stand within itself
        raise NotHooks(TOO_DEEP) from None
    hooks = [hooks] if isinstance(hooks, dict) else hooks
    if not isinstance(hooks, list) or not all(isinstance(hook, dict) for hook in hooks):
        raise NotHooks("it holds no list of hooks")
    return hooks


def converted(hooks: list[dict[str, Any]]) -> Converted:
    """Convert hooks to a config. Raises NotHooks."""
    try:
        return _all_converted(hooks)
    except RecursionError:
        raise NotHooks(TOO_DEEP) from None


def _all_converted(hooks: list[dict[str, Any]]) -> Converted:
    done: dict[str, _Hook] = {}
    for hook in hooks:
        slug = _slug(hook, done)
        done[slug] = _converted(slug, hook)
    lines = [
        "# From adnanh/webhook. Lines that begin with NOTE say what has no equal.",
        "# An event is kept before its command runs, which is at least once. A command has PATH,",
        "# HOME and LANG of the daemon's environment; pass_env adds to them. Of each hook one runs",
        "# at a time; max_in_flight allows more.",
        "endpoints:" if done else "endpoints: {}",
    ]
    for made in done.values():
        lines += made.endpoint
    lines.append("destinations:" if done else "destinations: {}")
    for made in done.values():
        lines += made.destination
    needs = {name: why for made in done.values() for name, why in made.needs.items()}
    return Converted("\n".join(lines) + "\n", needs)


def _slug(hook: dict[str, Any], taken: dict[str, _Hook]) -> str:
    wanted = _SLUG.sub("-", str(hook.get("id") or "")).strip("-._")[:100] or "hook"
    slug, number = wanted, 1
    while slug in taken:
        number += 1
        slug = f"{wanted}-{number}"
    return slug


def _converted(slug: str, hook: dict[str, Any]) -> _Hook:
    made = _Hook(slug)
    made.endpoint += [f"  {text(slug)}:", *_notes(_unequal(hook), 4)]
    if slug != hook.get("id"):
        was = f"its id was {hook['id']!r}" if hook.get("id") is not None else "it has no id"
        made.endpoint += _notes([was], 4)
    rules, expression = read_rules(hook.get("trigger-rule"))
    made.endpoint += _proof(made, rules)
    made.endpoint += _reading(hook)
    made.endpoint += _notes(rules.notes, 4)
    if expression != "true":
        made.endpoint.append(f"    filter: {text(expression)}")
    made.endpoint.append(f"    destinations: [{text(slug)}]")
    made.destination += [f"  {text(slug)}:", "    type: command", *_command(made, hook)]
    made.destination += [
        "    timeout: 1h  # webhook knew no bound",
        "    retry: {max_attempts: 1}  # as webhook did; remove it to have failures tried again",
    ]
    return made


def _unequal(hook: dict[str, Any]) -> Iterator[str]:
    for key, value in hook.items():
        if key in _READ or not value:
            continue
        if (why := _NO_EQUAL.get(key)) is None:
            yield f"{key} is not known"
        elif why:
            yield f"{key}: {why}"


def _proof(made: _Hook, rules: Rules) -> Iterator[str]:
    """Yield how the sender is proven."""
    if rules.networks:
        yield f"    allow_ips: [{', '.join(text(str(network)) for network in rules.networks)}]"
    signed = rules.signed[0] if rules.signed else None
    if signed is None:
        if rules.asks_for_proof:
            yield from _notes(["nobody is let in whose rule has no equal: have the sender sign"], 4)
            yield f"    secret: {made.variable('SECRET', 'a new secret for the sender')}"
        else:
            yield "    auth: none  # whoever can reach it can run it, as before"
        return
    if len(rules.signed) > 1:
        yield from _notes(["it asked for several signatures, of which the first is checked"], 4)
    number = signed.secrets
    if number == 1:
        yield f"    secret: {made.variable('SECRET', 'the secret')}"
    else:
        names = [made.variable(f"SECRET_{n + 1}", "a secret") for n in range(number)]
        yield f"    secret: [{', '.join(names)}]"
    yield from _scheme(signed)


def _scheme(signed: Signed) -> Iterator[str]:
    header = signed.header.lower()
    if signed.plain:
        yield "    provider: gitlab"
    elif (header, signed.algorithm) != ("x-hub-signature-256", "sha256") or signed.also:
        prefix = f"{signed.algorithm}=" if header.startswith("x-hub-signature") else ""
        if not prefix and not signed.scalr:
            yield from _notes(
                [f"where the sender writes {signed.algorithm}= before it, say so in prefix"], 4
            )
        parts = [f"header: {text(signed.header)}", f"algorithm: {signed.algorithm}"]
        parts += [] if signed.scalr else [f"prefix: {text(prefix)}"]
        if signed.also:
            also = "".join(f"{{header.{name}}}" for name in signed.also)
            parts.append(f"template: {text('{body}' + also)}")
        yield f"    signature: {{{', '.join(parts)}}}"


def _reading(hook: dict[str, Any]) -> Iterator[str]:
    """Yield what is read and answered."""
    given = str(hook.get("incoming-payload-content-type") or "")
    if "form" in given:
        yield "    body: form"
    elif "xml" in given:
        yield from _notes(["XML is taken as it is and not read: its values are empty"], 4)
        yield "    body: any"
    elif not given and "payload" not in json.dumps(
        [hook.get(key) for key in sorted(_READ)], default=str
    ):
        yield "    body: any  # nothing of it is asked for"
    methods = hook.get("http-methods")
    if isinstance(methods, list) and any(str(m).upper().strip() != "POST" for m in methods):
        yield from _notes(["http-methods: events come by POST alone"], 4)
    message, status = hook.get("response-message"), hook.get("success-http-response-code")
    status = status if isinstance(status, int) and status in SUCCESSES else 200
    if message or hook.get("success-http-response-code"):
        if not 0 < len(str(message or "").encode()) <= 1024 or status == 204:  # noqa: PLR2004
            yield f"    answer: {{status: {status}}}"
        else:
            yield f"    answer: {{status: {status}, body: {text(str(message))}}}"


def _command(made: _Hook, hook: dict[str, Any]) -> Iterator[str]:
    program, cwd = str(hook.get("execute-command") or ""), hook.get("command-working-directory")
    if not program:
        yield from _notes(["it has no execute-command"], 4)
        program = "/PATH/TO/PROGRAM"
    elif "/" in program and not program.startswith("/"):
        if isinstance(cwd, str) and cwd.startswith("/"):
            program = f"{cwd.rstrip('/')}/{program.removeprefix('./')}"
        else:
            yield from _notes(["execute-command was relative to where webhook was started"], 4)
            program = f"/PATH/TO/{program.removeprefix('./')}"
    given = hook.get("pass-arguments-to-command")
    args = [_value(item) for item in given] if isinstance(given, list) else []
    yield from _notes([note for _, note in args if note], 4)
    yield f"    run: [{text(program)}]"
    if args:
        yield "    args:"
        yield from (f"      - {text(value)}" for value, _ in args)
    if isinstance(cwd, str) and cwd:
        if cwd.startswith("/"):
            yield f"    cwd: {text(cwd)}"
        else:
            yield from _notes([f"command-working-directory was relative: {cwd}"], 4)
    yield from _environment(made, hook.get("pass-environment-to-command"))


def _environment(made: _Hook, given: Any) -> Iterator[str]:
    items = [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []
    if items:
        yield "    env:"
    seen: set[str] = set()
    for item in items:
        wanted = str(item.get("envname") or f"HOOK_{item.get('name', '')}")
        name = _VARIABLE.sub("_", wanted)
        name = name if _IDENTIFIER.fullmatch(name) else f"HOOK_{name}"
        name = f"HOOK_{name}" if name.startswith("DISPATCH_") else name
        if name in seen:
            continue
        seen.add(name)
        value, note = _value(item)
        yield from _notes([note] if note else [], 6)
        if name != wanted:
            yield from _notes([f"it was called {wanted}"], 6)
        if item.get("source") == "string" and _SECRET.search(name):
            yield f"      {name}: {made.variable(name, 'what was ' + name)}"
        else:
            yield f"      {name}: {text(value)}"


def _value(item: Any) -> tuple[str, str]:
    """Return a template for a value of the request, and a note where it has no equal."""
    item = item if isinstance(item, dict) else {}
    source, name = str(item.get("source", "")), str(item.get("name", ""))
    note = "base64decode has no equal" if item.get("base64decode") else ""
    if source == "string":
        marks = any(mark in name for mark in ("{{", "{%", "{#"))
        return (f"{{{{ {_spelled(name)} }}}}" if marks else name), note
    if source == "payload":
        return f"{{{{ body{_path(without_root(name))} }}}}", note
    if source == "header":
        return f"{{{{ headers[{_spelled(name.lower())}] }}}}", note
    if source in ("entire-payload", "raw-request-body"):
        return "{{ body | tojson }}", note or "the body as it came is on stdin, too"
    if source == "entire-headers":
        return "{{ headers | tojson }}", note
    if source == "request" and name.lower() == "method":
        return "POST", note
    if source == "request" and name.lower() == "remote-addr":
        return "", "the sender's address is in DISPATCH_SOURCE_IP"
    return "", f"{source} {name}: has no equal".replace("  ", " ")


def _spelled(value: str) -> str:
    """Spell a text for a template, which knows no pairs of surrogates."""
    return json.dumps(value, ensure_ascii=False)


def _path(name: str) -> str:
    return "".join(
        f".{step}"
        if _IDENTIFIER.fullmatch(step)
        else f"[{step}]"
        if step.isascii() and step.isdigit()
        else f"[{_spelled(step)}]"
        for step in name.split(".")
    )


def _notes(sentences: Any, indent: int) -> Iterator[str]:
    for sentence in dict.fromkeys(sentences):
        yield f"{' ' * indent}# NOTE {printable(str(sentence))}"


def text(value: str) -> str:
    """Spell a text in YAML, so that it is nothing but that text."""
    spelled = json.dumps(value.replace("${", "$${"), ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", spelled)
