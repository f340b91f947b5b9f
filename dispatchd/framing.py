"""Which headers belong to a connection and not to what is sent over it."""

from typing import Final

# Of one connection, whoever sets them: no header of an event or a config may move the borders
# of a request (RFC 9110 section 7.6.1, RFC 9112 section 11.2). In lower case.
FRAMING: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Between us and a proxy.
PROXY: Final = frozenset({"proxy-authorization", "proxy-connection"})
