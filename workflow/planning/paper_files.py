"""Refuse files of data/paper that figures could not read, before anything is computed."""

import csv

from simclr.config import ConfigError
from workflow import catalog, paper

COLUMNS = {  # of each file, what the code reads
    "paper_reported.csv": {"id", "row", "column", "metric", "value"},
    "claims.csv": {"id", "claim", "where", "paper_effect"},
}
REMEDY = "save it as UTF-8 with commas, or take it back with `git checkout data/paper`"


def check_paper(experiments) -> None:
    """Refuse files without the columns, numbers and claims that these figures need.

    Raises ConfigError.
    """
    tables = {name: _read(name) for name in paper.FILES}
    modules = {name: catalog.module(name) for name in experiments}
    shown = set()  # ids of the paper's numbers
    for module in modules.values():
        shown |= {module.PAPER} if isinstance(module.PAPER, str) else set(module.PAPER)
    for row in tables["paper_reported.csv"]:
        try:
            float((row["id"] in shown and row["value"]) or "nan")  # an empty one is none
        except ValueError:
            raise ConfigError(
                f"data/paper/paper_reported.csv: {row['id']}: value {row['value']!r} is no number "
                f"with a decimal point; {REMEDY}."
            ) from None
    known = {row["id"] for row in tables["claims.csv"]}
    for experiment, module in modules.items():
        for claim in module.CLAIMS:
            if claim not in known:
                raise ConfigError(
                    f"data/paper/claims.csv: no row {claim}, which {experiment} tests; add it."
                )


def _read(name: str) -> list[dict]:
    where = f"data/paper/{name}"
    try:
        rows = paper.rows(name)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{where}: cannot be read ({error}); {REMEDY}.") from None
    missing = COLUMNS[name] - set(rows[0] if rows else ())
    if missing:
        raise ConfigError(f"{where}: missing columns: {', '.join(sorted(missing))}; {REMEDY}.")
    return rows
