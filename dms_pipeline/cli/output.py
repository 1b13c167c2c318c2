"""How the commands speak: progress goes to standard error, the answer to standard output."""

import time

import click

_STARTED = time.monotonic()


def say(message: str) -> None:
    """One line of progress, with the seconds since the command began."""
    click.echo(
        f"{click.style(f'{time.monotonic() - _STARTED:6.1f} s', dim=True)}  {message}", err=True
    )
