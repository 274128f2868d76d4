"""Runs the command line as `python -m prober`."""

from prober.cli import main

if __name__ == "__main__":
    main()
