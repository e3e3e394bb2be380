"""The command `emonet-voice`, whose start takes a moment: what it is made of is imported within."""

import sys


def run(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code; what a user got wrong becomes one line."""
    try:
        from .commands import run as run_command

        return run_command(arguments)
    except KeyboardInterrupt:  # before or behind what catches it there
        return 130
    except SystemError as error:  # numba's, for Ctrl-C within what it has compiled
        if not isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
            raise
        return 130


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run())


if __name__ == "__main__":
    main()
