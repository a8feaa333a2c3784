"""``python -m trueup`` and the console script."""

import sys


def main() -> None:
    """Run the command line and leave with its exit code; ``--version`` loads nothing else."""
    if sys.argv[1:] == ["--version"]:
        from trueup import __version__

        sys.stdout.write(f"trueup, version {__version__}\n")
        return
    from trueup.faces.cli.main import main as run

    sys.exit(run())


def hb() -> None:
    """Run ``trueup telemetry …``: the same verbs under the short name that test stands know."""
    if sys.argv[1:] == ["--version"]:
        from trueup import __version__

        sys.stdout.write(f"trueup, version {__version__} (hb)\n")
        return
    from trueup.faces.cli.hb import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
