"""What kind of event is this, and who wants it? Compile once, evaluate often. Pure."""

from dispatchd.match.bindings import bindings_json, template_names, wants_bindings
from dispatchd.match.event_types import (
    EVENT_TYPE_CUT,
    EVENT_TYPE_HEADERS,
    EVENT_TYPE_MAX_CHARS,
    Matcher,
    compile_event_types,
    event_type,
    glob_match,
    globs_meet,
    matches_any,
)
from dispatchd.match.expression import expression_problem
from dispatchd.match.filters import (
    Filter,
    JsonataFilter,
    PlainFilter,
    Subject,
    compile_filter,
    never_both,
    subject_json,
    verdict_of,
)
from dispatchd.match.rules import Rule, rule_filters
from dispatchd.paths import at_path, split_path

__all__ = [
    "EVENT_TYPE_CUT",
    "EVENT_TYPE_HEADERS",
    "EVENT_TYPE_MAX_CHARS",
    "Filter",
    "JsonataFilter",
    "Matcher",
    "PlainFilter",
    "Rule",
    "Subject",
    "at_path",
    "bindings_json",
    "compile_event_types",
    "compile_filter",
    "event_type",
    "expression_problem",
    "glob_match",
    "globs_meet",
    "matches_any",
    "never_both",
    "rule_filters",
    "split_path",
    "subject_json",
    "template_names",
    "verdict_of",
    "wants_bindings",
]
