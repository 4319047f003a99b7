"""OpenAI's grader objects, run as they are written: read and checked, filled in, graded. No torch, no network.

`shapes` says what may stand in a grader and finds everything that may not; `grade` runs one; `templates`, `formula`,
`similarity`, `program` and `asking` are its parts. Graders that ask a model are given one by whoever calls.
"""
