"""The command ``chainrule``, before anything is imported: Ctrl-C ends it quietly from its first moment.

A module beside the package, as importing anything of the package would first import the package itself.
"""

from __future__ import annotations


def main() -> int:
    """Run the command line and give its exit code."""
    try:
        from chainrule.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        return 130
