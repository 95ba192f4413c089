"""The paper's experiments as a plan of results: what is varied, scheduled, drawn and concluded."""

from simclr import code

code.own(__name__)
