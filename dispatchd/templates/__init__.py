"""Templates: jinja2 in its sandbox, over trees of text, each value inert in its target's markup.

Pure, and nothing here bounds time or memory: whoever renders does so in an evaluator process.
`render` and `sandbox` import jinja2, and are imported where a config has templates.
"""
