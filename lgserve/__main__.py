"""`python -m lgserve` is the command `lgserve`."""


def _main() -> None:
    # Imported late, so that a child process that re-imports this module stays cheap.
    from lgserve.cli.main import main

    main()


if __name__ == "__main__":
    _main()
