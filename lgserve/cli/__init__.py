"""The command line: `dev` and `serve` start the server, every other command is a client of one."""
