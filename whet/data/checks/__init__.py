"""What is looked for in data, one file per check (see `whet.data.findings`)."""
