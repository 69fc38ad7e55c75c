"""The command line as tests call it."""

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

from spinfunnel import cli


def run(*arguments):
    """Run the command in this process: its exit code, and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["spinfunnel", *map(str, arguments)])
        patch.setenv("COLUMNS", "100")
        try:
            cli.main()
            code = 0
        except SystemExit as exit:
            code = exit.code or 0
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
