"""`python -m spinfunnel` is the command `spinfunnel`."""

from spinfunnel.cli import main

main()
