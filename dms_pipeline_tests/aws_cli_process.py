"""Runs commands of the AWS CLI one after the other, as its interpreter takes long to start.

It is a program for the AWS CLI's own environment: each line of its input is a command as a JSON
list, for each it prints a line with the exit status, what the command printed, and its errors.
"""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout

from awscli.clidriver import create_clidriver


def run(command: list[str]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            status = create_clidriver().main(command)
        except SystemExit as end:
            status = end.code
    return status, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
