"""Delivery: a lane for every destination."""
