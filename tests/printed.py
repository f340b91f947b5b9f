"""What commands print, beside what the docs show of it."""

import re


def shape(text: str) -> str:
    """Reduce what a command printed to its words: numbers, sizes, times and paths differ."""
    text = re.sub(r"\S*/\S+\.db", "FILE", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC", "TIME", text)
    text = re.sub(r"\d+[smhd] ago", "AGO", text)
    text = re.sub(r"[\d.]+ [KMGT]iB|[\d.]+ m?s\b", "SIZE", text)
    text = re.sub(r"\bdelivery\b", "deliveries", re.sub(r"\bevent\b", "events", text))
    return re.sub(r"[\d,]+\b", "N", text)
