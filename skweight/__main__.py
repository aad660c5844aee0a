"""``python -m skweight``."""

import sys

from skweight._cli import main

if __name__ == "__main__":
    sys.exit(main())
