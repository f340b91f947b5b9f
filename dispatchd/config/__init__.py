"""The config: one YAML file to one frozen object, or every problem in it at once."""

from dispatchd.config.alerts import (
    AlertConfig,
    BacklogAlertConfig,
    DiskLowConfig,
    SourceErrorsConfig,
)
from dispatchd.config.delivery import BreakerConfig, RetryConfig
from dispatchd.config.destination import TYPES, model_of
from dispatchd.config.greeting import AnswerConfig, HandshakeConfig
from dispatchd.config.jwt import BodyHashConfig, JwtConfig
from dispatchd.config.lane import LaneConfig
from dispatchd.config.link import LinkConfig, RuleConfig
from dispatchd.config.linked import load_links
from dispatchd.config.loading import (
    Outline,
    check_without_references,
    config_text,
    find_config,
    load,
    load_admin,
    load_outline,
    load_templates,
    parse,
)
from dispatchd.config.model import (
    AdminConfig,
    ApiKeyConfig,
    Config,
    EndpointConfig,
    RetentionConfig,
    ServerConfig,
    StorageConfig,
)
from dispatchd.config.outgoing import SigningConfig
from dispatchd.config.problems import ConfigProblems, Problem
from dispatchd.config.reached import TlsConfig
from dispatchd.config.refused import RefusedConfig
from dispatchd.config.schema import json_schema
from dispatchd.config.sender import IdempotencyConfig, ListConfig, SignatureConfig
from dispatchd.config.telemetry import TelemetryConfig
from dispatchd.config.webhook import WebhookConfig
from dispatchd.model import Listen

__all__ = [
    "TYPES",
    "AdminConfig",
    "AlertConfig",
    "AnswerConfig",
    "ApiKeyConfig",
    "BacklogAlertConfig",
    "BodyHashConfig",
    "BreakerConfig",
    "Config",
    "ConfigProblems",
    "DiskLowConfig",
    "EndpointConfig",
    "HandshakeConfig",
    "IdempotencyConfig",
    "JwtConfig",
    "LaneConfig",
    "LinkConfig",
    "ListConfig",
    "Listen",
    "Outline",
    "Problem",
    "RefusedConfig",
    "RetentionConfig",
    "RetryConfig",
    "RuleConfig",
    "ServerConfig",
    "SignatureConfig",
    "SigningConfig",
    "SourceErrorsConfig",
    "StorageConfig",
    "TelemetryConfig",
    "TlsConfig",
    "WebhookConfig",
    "check_without_references",
    "config_text",
    "find_config",
    "json_schema",
    "load",
    "load_admin",
    "load_links",
    "load_outline",
    "load_templates",
    "model_of",
    "parse",
]
