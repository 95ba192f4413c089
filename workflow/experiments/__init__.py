"""The experiments, one module each: what is varied, how it is drawn, what the paper claims.

A module `workflow/experiments/<name>.py` has

    NUMBER, TITLE    "Figure 8", "projection heads"
    KIND, ORDER      a key of workflow.catalog.KINDS, and the place within that kind on the pages
    PAPER            its id, or ids, in data/paper/paper_reported.csv
    CLAIMS           ids of the claims that it tests (data/paper/claims.csv)
    LABELS           columns that describe a run; with `parameters` among them, the planner adds
                     the encoder's number of parameters
    CAPTION          what the figure shows, in a sentence or two
    FILES            optional: CSV files of the runs that draw() also needs
    runs(grid)       -> list[Run], each repeated for every seed
    draw(table, paper) or, with FILES, draw(table, paper, files) -> matplotlib Figure
    claims(table)    with CLAIMS: -> list[workflow.figures.contrasts.Claim]
    of_paper(paper)  optional: the paper's numbers as such a table, which claims() judges like ours

`grid` is what the scale's YAML says under `experiments.<name>`. `table` has a row per run and seed:
setting (the run's name), seed, the run's labels, its metrics and, where it is known, its `state`
(workflow/figures/states.py), which summary(), averaged() and derived() of contrasts.py carry into
the figure as marks. `paper` has the rows of PAPER; `files` maps a name in FILES to its rows, if any
run has that file.

Planning calls runs(), so a module imports pandas, matplotlib and SciPy only within draw() and
claims().
"""
