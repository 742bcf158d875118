"""``python -m condensery.cli``: the command line."""

import sys

from condensery.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
