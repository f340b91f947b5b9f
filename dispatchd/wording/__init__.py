"""What is said of an event when nobody wrote a template: a module for each kind of sender. Pure."""

from dispatchd.wording.wording import Wording

__all__ = ["Wording"]
