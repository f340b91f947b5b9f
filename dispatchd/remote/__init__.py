"""A daemon as its clients see it: its API from outside, here or on another machine."""
