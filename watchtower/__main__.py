"""`python -m watchtower`."""

from watchtower.cli.main import main

main()
