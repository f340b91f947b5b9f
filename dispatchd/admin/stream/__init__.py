"""The live stream: read once from the store and spelled once, for however many follow it."""
