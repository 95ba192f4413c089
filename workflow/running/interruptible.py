"""Snakemake that Ctrl-C ends in one line while it is still starting, too.

    python -m workflow.running.interruptible OPTION...

`snakemake` itself shows a trace then. Once the Snakefile is read, screen.stop_on_ctrl_c decides.
"""

import signal

from workflow.running.screen import stop_at_once


def main() -> None:
    """Become `snakemake` with the options of this process."""
    signal.signal(signal.SIGINT, stop_at_once)
    from snakemake.cli import main as snakemake

    snakemake()


if __name__ == "__main__":
    main()
