"""Tables in Markdown."""


def table(lines: list[list[str]], numbers: bool = True) -> str:
    """Return a table; the first line is its head, and a `|` in a cell is shown as one.

    numbers: every column but the first is aligned to the right.
    """
    head, *body = [[cell.replace("|", "\\|") for cell in cells] for cells in lines]
    rule = ["---", *["---:" if numbers else "---"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, rule, *body))
