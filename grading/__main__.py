"""``release`` regenerates labs/, ``autograde`` grades a class, ``judge`` serves checks over standard input."""

from __future__ import annotations

import argparse
import sys

from grading.engine import cli as autograding


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m grading", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    release = commands.add_parser("release", help="write solutions/ metadata and regenerate labs/")
    release.add_argument("labs", nargs="*", help="lab folders, such as 01_steal_by_query; all without")
    commands.add_parser("judge", help="serve checks over standard input and output, as data")
    autograding.add_parser(commands)
    arguments = parser.parse_args()
    if arguments.command == "autograde":
        return autograding.main(arguments)
    if arguments.command == "judge":
        from grading.pipe import serve_judge

        # Anything an exercise prints must not end up between the frames.
        out, sys.stdout = sys.stdout.buffer, sys.stderr
        serve_judge(sys.stdin.buffer, out)
        return 0
    from grading.release import release_labs

    return release_labs(arguments.labs)


if __name__ == "__main__":
    sys.exit(main())
