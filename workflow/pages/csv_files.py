"""CSV files as rows of text."""

import csv
import io
from pathlib import Path


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, each as {column: text}; an absent file has no rows."""
    if not path.is_file():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def csv_text(header, rows) -> str:
    """Return a CSV table as text: the header, then one line for each row of cells."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
