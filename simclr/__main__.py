"""`python -m simclr`: the command line without the installed script."""

import sys

from simclr.cli import main

sys.exit(main())
