"""Write the vector files beside this script: `python tests/vectors/generate.py`.

Valid requests are signed by an independent implementation: the provider's own SDK where there is
one, else HMAC by OpenSSL through `cryptography`; never by dispatchd. PayPal's certificates are
made afresh at each run, and the recording of PayPal's in tests/recordings is signed by one of those
that are there: leave that file alone, or record again. All else is the same each time.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from cases import ALL

if __name__ == "__main__":
    for make in ALL:
        make().write()
