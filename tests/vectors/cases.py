"""Every provider's cases, in the order of the table of providers."""

from cases_body import bitbucket, generic, github, meta, shopify, square, x
from cases_coded import jira, paypal, twilio
from cases_jwt import fusionauth, google_pubsub, netlify
from cases_more import MORE
from cases_secrets import SECRETS
from cases_sns import aws_sns
from cases_timed import discord, gitlab, linear, mailgun, slack, standard_webhooks, stripe, zoom

ALL = (
    generic, github, gitlab, bitbucket, slack, stripe, shopify, linear, standard_webhooks, twilio,
    jira, discord, square, paypal, zoom, meta, x, mailgun, *MORE, *SECRETS, google_pubsub,
    fusionauth, netlify, aws_sns,
)  # fmt: skip
