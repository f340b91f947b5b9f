"""What dispatchd tells machines: one shape for each noun, of `--json` and of the API alike.

Each is a type, which the API's description is made from, and the function that fills it. Times
are ISO 8601 in UTC.
"""
