"""A scheme is a row of data: where a signature stands, what it covers, how it is spelled.

The named providers' are rows of `providers`, one's own is what `signature:` in the config says.
`scheme_check` compiles a row with its keys.
"""

from base64 import b64encode
from collections.abc import Sequence
from typing import Final

from dispatchd.frozen import frozen
from dispatchd.verify import decode, keys
from dispatchd.verify.inbound import Rejected
from dispatchd.verify.template import compile_template, uses

ALGORITHMS: Final = ("sha256", "sha1", "sha384", "sha512", *keys.PUBLIC_ALGORITHMS)
ENCODINGS: Final = ("hex", "base64", "plain")
KEYS: Final = ("text", "hex", "base64")
ANY_USER: Final = "*"
MAX_LISTED: Final = 16  # signatures in one header; a rotation needs two

# Hashing more than this keeps the loop for a millisecond or more; it lets the interpreter go.
HASH_HERE_MAX_BYTES: Final = 256 * 1024


@frozen
class Listed:
    """How one header lists several signatures: `t=1,v1=aa,v1=bb` or `v1,aa v1a,bb`."""

    separator: str = ","
    assign: str = "="
    version: str = "v1"
    timestamp: str = ""


@frozen
class SignatureSpec:
    """A scheme as the config writes it; one of `header`, `path`, `query` and `basic` is its place.

    `basic` is the user of HTTP Basic (`*`: any), whose password is the secret. With the encoding
    `plain`, and with `query` and `basic`, the secret itself is what is sent.
    """

    header: str = ""
    path: str = ""
    query: str = ""
    basic: str | None = None
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    listed: Listed | None = None
    timestamp_header: str = ""
    timestamp_path: str = ""
    timestamp_unit: str = "s"
    template: str = "{body}"
    tolerance_s: float | None = None
    key: str = "text"

    @property
    def is_token(self) -> bool:
        """Whether the secret itself is sent, and nothing is signed."""
        return self.encoding == "plain" or bool(self.query) or self.basic is not None

    @property
    def is_public(self) -> bool:
        """Whether a public key is what checks it."""
        return self.algorithm in keys.PUBLIC_ALGORITHMS


@frozen
class Scheme:
    """One way to sign.

    `key` says what is made of a configured secret: `text` as it is; `hex` and `base64` decoded;
    `whsec` base64 behind `whsec_`; `signing` and `token` share one list, told apart by that
    prefix; `plain` is a token whatever it looks like; `public` for public keys. `more_headers`
    hold further signatures of the same kind. `user` is that of HTTP Basic, `*` is any.
    `object_only` refuses a body that is no JSON object.
    """

    name: str
    header: str = ""
    more_headers: tuple[str, ...] = ()
    path: str = ""
    query: str = ""
    user: str | None = None
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    timestamp_header: str = ""
    timestamp_path: str = ""
    timestamp_unit: str = "s"
    template: str = "{body}"
    listed: Listed | None = None
    key: str = "text"
    object_only: bool = False

    @property
    def where(self) -> str:
        """Name the place of the signature, for a sender."""
        if self.user is not None:
            return "the password of Authorization"
        if self.query:
            return f"the query's {self.query}"
        return self.header or f"the body's {self.path}"

    @property
    def is_timed(self) -> bool:
        """Whether a timestamp is signed."""
        listed = self.listed is not None and bool(self.listed.timestamp)
        return listed or bool(self.timestamp_header or self.timestamp_path)


_OF_SIGNATURES: Final = (
    "algorithm",
    "listed",
    "timestamp_header",
    "timestamp_path",
    "timestamp_unit",
    "template",
    "tolerance_s",
    "key",
)


def spec_problems(spec: SignatureSpec) -> list[str]:
    """Say what is wrong with a `signature:` of the config, each in a sentence."""
    problems = []
    places = [bool(spec.header), bool(spec.path), bool(spec.query), spec.basic is not None]
    if sum(places) != 1:
        problems.append("signature needs either header or path, or query or basic: one of them")
    for word, given, known in (
        ("algorithm", spec.algorithm, ALGORITHMS),
        ("encoding", spec.encoding, ENCODINGS),
        ("key", spec.key, KEYS),
        ("timestamp_unit", spec.timestamp_unit, decode.TIMESTAMP_UNITS),
    ):
        if given not in known:
            problems.append(f"{word} {given!r} is not one of {', '.join(known)}")
    if spec.basic is not None and ":" in spec.basic:
        problems.append("the user of basic cannot hold a colon")
    return problems + (_token_problems(spec) if spec.is_token else _signed_problems(spec))


def _token_problems(spec: SignatureSpec) -> list[str]:
    """Say what of a spec has no meaning where the secret itself is sent."""
    plain = SignatureSpec()
    idle = [name for name in _OF_SIGNATURES if getattr(spec, name) != getattr(plain, name)]
    if spec.prefix and not spec.header:
        idle.append("prefix")
    if spec.encoding not in ("plain", plain.encoding):
        idle.append("encoding")
    return [
        f"the secret itself is sent and nothing is signed; leave out {name}"
        for name in ("list" if name == "listed" else name.removesuffix("_s") for name in idle)
    ]


def _signed_problems(spec: SignatureSpec) -> list[str]:
    problems = []
    if spec.key != "text" and spec.is_public:
        problems.append("key says how secrets are written, and a public key is none; leave it out")
    if spec.listed is not None:
        problems += _list_problems(spec, spec.listed)
    try:
        parts = compile_template(spec.template)
    except ValueError as error:
        return [*problems, str(error)]
    in_list = spec.listed is not None and bool(spec.listed.timestamp)
    timed = bool(spec.timestamp_header) + bool(spec.timestamp_path) + in_list
    signed = uses(parts, "timestamp") or any(
        part.kind == "field" and part.name == spec.timestamp_path for part in parts
    )
    covered = signed or (bool(spec.timestamp_path) and uses(parts, "body"))
    if timed > 1:
        problems.append("use timestamp_header or timestamp_path, not both, nor with a list's own")
    if timed and not covered:
        problems.append("the template does not sign the timestamp; add {timestamp} to it")
    if not timed and uses(parts, "timestamp"):
        problems.append("the template uses {timestamp}; say where it is with timestamp_header")
    if not timed and spec.tolerance_s is not None:
        problems.append("tolerance needs a timestamp; say where it is with timestamp_header")
    if not timed and spec.timestamp_unit != "s":
        problems.append("timestamp_unit needs a timestamp; say where it is with timestamp_header")
    if spec.tolerance_s is not None and spec.tolerance_s <= 0:
        problems.append("tolerance must be more than nothing")
    return problems


def _list_problems(spec: SignatureSpec, listed: Listed) -> list[str]:
    problems = []
    if spec.prefix:
        problems.append("a list has no prefix; its version stands before each signature")
    if not listed.separator or not listed.assign or listed.separator == listed.assign:
        problems.append("a list needs a separator and an assign that differ")
    if not listed.version or listed.version == listed.timestamp:
        problems.append("a list needs a version, which is not the name of its timestamp")
    return problems


def scheme_of(spec: SignatureSpec) -> Scheme:
    """Return the scheme that a checked `signature:` describes."""
    if spec.basic is not None:
        return Scheme(
            "signature", header="Authorization", user=spec.basic, encoding="plain", key="plain"
        )
    key = spec.key
    if spec.is_token:
        key = "plain"
    elif spec.is_public:
        key = "public"
    return Scheme(
        "signature",
        header=spec.header,
        path=spec.path,
        query=spec.query,
        algorithm=spec.algorithm,
        encoding="plain" if spec.is_token else spec.encoding,
        prefix=spec.prefix,
        listed=spec.listed,
        timestamp_header=spec.timestamp_header,
        timestamp_path=spec.timestamp_path,
        timestamp_unit=spec.timestamp_unit,
        template=spec.template,
        key=key,
    )


def key_bytes(scheme: Scheme, secret: bytes) -> bytes | None:
    """Return what a scheme signs with, or sends; None where the secret is not of its kind.

    Raises ValueError where it is and cannot be read; the message holds nothing of it.
    """
    signing = keys.is_signing_secret(secret)
    match scheme.key:
        case "public":
            return None
        case "token":
            return None if signing else secret
        case "signing":
            return keys.signing_secret(secret) if signing else None
        case "whsec":
            return keys.signing_secret(secret)
        case "hex" | "base64":
            return keys.decoded_secret(secret, scheme.key)
        case _:
            if scheme.user is None or scheme.user == ANY_USER:
                return secret
            return scheme.user.encode() + b":" + secret


def scheme_keys(
    scheme: Scheme, secrets: Sequence[bytes], public_keys: Sequence[str]
) -> list[tuple[int, keys.Key]]:
    """Return the keys that fit a scheme, each with its number in the config."""
    if scheme.key == "public":
        return [(i, keys.public_key(t, scheme.algorithm)) for i, t in enumerate(public_keys)]
    found: list[tuple[int, keys.Key]] = []
    for number, secret in enumerate(secrets):
        raw = key_bytes(scheme, secret) if secret else b""
        if raw is None:
            continue
        if scheme.encoding == "plain":
            found.append((number, keys.token_key(raw)))
        else:
            found.append((number, keys.hmac_key(raw, scheme.algorithm)))
    return found


def spell(scheme: Scheme, signature: bytes, timestamp: str) -> str:
    """Spell a signature as its header holds it: what `check` reads."""
    text = signature.hex() if scheme.encoding == "hex" else b64encode(signature).decode()
    listed = scheme.listed
    if listed is None:
        return scheme.prefix + text
    text = f"{listed.version}{listed.assign}{text}"
    if listed.timestamp:
        text = f"{listed.timestamp}{listed.assign}{timestamp}{listed.separator}{text}"
    return text


def split_list(listed: Listed, value: str) -> tuple[list[str], str | None]:
    """Split a listing header into the signatures of our version and the timestamp, if any."""
    items = value.split(listed.separator, MAX_LISTED)
    if len(items) > MAX_LISTED:
        raise ValueError("the header lists too many signatures")
    texts: list[str] = []
    timestamp: str | None = None
    for item in items:
        name, assign, rest = item.strip(" ").partition(listed.assign)
        if not assign:
            raise ValueError("the header is malformed")
        if name == listed.version:
            texts.append(rest)
        elif listed.timestamp and name == listed.timestamp:
            if timestamp is not None:
                raise ValueError("the header has two timestamps")
            timestamp = rest
    return texts, timestamp


def stale(age_s: float, tolerance_s: float) -> Rejected:
    """Refuse a right signature of the wrong time: a replay, or a clock that is off."""
    way = "old" if age_s > 0 else "in the future"
    return Rejected(
        "stale_timestamp",
        f"the signature is right but {abs(age_s):.0f} s {way}; {tolerance_s:.0f} s are tolerated",
    )
