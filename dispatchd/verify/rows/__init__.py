"""The providers, a row of data each; every scheme's source is the provider's documentation."""
