"""Fill the templates of the pages (workflow/pages/templates). Every inserted text is escaped."""

import re
from pathlib import Path

import jinja2

from simclr.files import write_atomic
from workflow.pages import ledger


def write_page(path: Path, template: str, **values) -> bool:
    """Write a page from its template. Returns whether the file changed."""
    return write_atomic(path, ENVIRONMENT.get_template(template).render(values))


def around(pages: list[tuple[str, str]], number: int) -> dict:
    """Return what nested.html.j2 needs of a page in a row: its neighbours, None at the ends.

    pages: the address and the name of each.
    """
    return {
        "nested": True,
        "name": pages[number][1],
        "previous": pages[number - 1] if number else None,
        "following": pages[number + 1] if number + 1 < len(pages) else None,
    }


def css_class(verdict: str) -> str:
    """Return the class that the style sheet has for a verdict."""
    return verdict.replace(" ", "-")


def unbroken_interval(effect: str) -> str:
    """Return an effect such as `+6.1 pp [1.5, 10.8], n=5` with no line break in its brackets."""
    return re.sub(r"\[([^] ]+), ([^] ]+)\]", "[\\1,\N{NO-BREAK SPACE}\\2]", effect)


ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
ENVIRONMENT.globals["RULE"] = ledger.RULE
ENVIRONMENT.filters |= {"css_class": css_class, "unbroken_interval": unbroken_interval}
