"""``python -m bench.page``: docs/report.md, one page of all that was measured, and its charts.

- `sections`: which files there are, what was measured in them and how
- `goals`: every target of a file, and whether it was reached
- `tables`: the figures of a file
- `render`: the page
"""
