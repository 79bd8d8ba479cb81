"""The attack suite: what a hostile peer may send, what has to come of it, and which rule says so.

`cases` are the tables, `vocabulary` the words they are written in. A case runs against the protocol
without I/O (`core`), against any server on a port (`live`) or against our client (`clients`), and
`verdict` judges what was seen. ``make attack`` compares servers; docs/attacks.md has the result.
"""
