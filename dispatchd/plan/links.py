"""Links to what a lane does with the events that come over them."""

from collections.abc import Mapping

from dispatchd.config import Config, LinkConfig, RuleConfig
from dispatchd.deliver.spec import LaneLink, LinkTemplate, LinkTransform, Treatment
from dispatchd.evaluate.frames import template_source
from dispatchd.match import wants_bindings
from dispatchd.templates.normal import variant_for


def lane_links(config: Config, destination: str) -> Mapping[str, LaneLink]:
    """Compile the links to a destination, by endpoint, but for those that change nothing."""
    found = {}
    for slug, endpoint in config.endpoints.items():
        for link in endpoint.destinations:
            if link.to == destination:
                compiled = lane_link(config, slug, link)
                if compiled != LaneLink(Treatment()):
                    found[slug] = compiled
    return found


def lane_link(config: Config, slug: str, link: LinkConfig) -> LaneLink:
    """Compile one link."""
    return LaneLink(
        own=_treatment(config, slug, link, link),
        rules=link.compiled_rules(),
        by_rule={
            name: _treatment(config, slug, link, rule)
            for name, rule in link.named_rules().items()
            if not rule.skip
        },
    )


def _treatment(
    config: Config, slug: str, link: LinkConfig, chosen: LinkConfig | RuleConfig
) -> Treatment:
    owner = f"{slug} → {link.to}"
    transform = template = None
    if chosen.transform is not None:
        bound = wants_bindings(chosen.transform)
        transform = LinkTransform(chosen.transform, link.on_transform_error, owner, bound)
    if chosen.template is not None:
        kind = config.destinations[link.to].type
        template = link_template(config, chosen.template, kind, f"template of {owner}")
    return Treatment(transform, template)


def link_template(config: Config, name: str, kind: str, owner: str) -> LinkTemplate:
    """Compile a template for a type of destination: its own variant, else `default`."""
    variants = config.templates[name]
    variant = variant_for(variants, kind)
    return LinkTemplate(name, variant, template_source(variant, variants[variant]), owner)
