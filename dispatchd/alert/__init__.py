"""Alerts: dispatchd's own events, told by destinations like any other.

`spec` says what is asked for, `rules` when there is something to tell, `wording` what is said;
`watch` hears the facts that no store keeps, and `alerting` is the duty over all of it.
"""
