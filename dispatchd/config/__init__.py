"""The config: one YAML file to one frozen object, or every problem in it at once."""

from dispatchd.config.alerts import (
    AlertConfig,
    BacklogAlertConfig,
    DiskLowConfig,
    SourceErrorsConfig,
)
from dispatchd.config.delivery import BreakerConfig, RetryConfig
from dispatchd.config.destination import DestinationConfig, TlsConfig
from dispatchd.config.greeting import AnswerConfig, HandshakeConfig
from dispatchd.config.jwt import BodyHashConfig, JwtConfig
from dispatchd.config.loading import (
    Outline,
    check_without_references,
    find_config,
    load,
    load_outline,
    parse,
)
from dispatchd.config.model import (
    AdminConfig,
    ApiKeyConfig,
    Config,
    EndpointConfig,
    LinkConfig,
    RetentionConfig,
    ServerConfig,
    StorageConfig,
)
from dispatchd.config.outgoing import SigningConfig
from dispatchd.config.problems import ConfigProblems, Problem
from dispatchd.config.schema import json_schema
from dispatchd.config.sender import IdempotencyConfig, ListConfig, SignatureConfig
from dispatchd.model import Listen

__all__ = [
    "AdminConfig",
    "AlertConfig",
    "AnswerConfig",
    "ApiKeyConfig",
    "BacklogAlertConfig",
    "BodyHashConfig",
    "BreakerConfig",
    "Config",
    "ConfigProblems",
    "DestinationConfig",
    "DiskLowConfig",
    "EndpointConfig",
    "HandshakeConfig",
    "IdempotencyConfig",
    "JwtConfig",
    "LinkConfig",
    "ListConfig",
    "Listen",
    "Outline",
    "Problem",
    "RetentionConfig",
    "RetryConfig",
    "ServerConfig",
    "SignatureConfig",
    "SigningConfig",
    "SourceErrorsConfig",
    "StorageConfig",
    "TlsConfig",
    "check_without_references",
    "find_config",
    "json_schema",
    "load",
    "load_outline",
    "parse",
]
