"""The daemon's duties: each is one file, with an `async def run()` that ends by being cancelled."""
