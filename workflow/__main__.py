"""`python -m workflow`: the command line without the installed script."""

import sys

from workflow.cli import main

sys.exit(main())
