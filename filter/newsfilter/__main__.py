"""``python -m newsfilter`` and the ``newsfilter`` command."""

import sys

from newsfilter.cli import main


def entry() -> None:
    """Run the command line and leave with its exit status."""
    sys.exit(main())


if __name__ == "__main__":
    entry()
