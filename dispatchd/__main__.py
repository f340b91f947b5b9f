"""`python -m dispatchd` is `dispatchd`."""

from dispatchd.cli import main

main()
