"""One module a verb; `lgserve.cli.main` knows their names and imports them on demand."""
