"""`ceq`: the command line. Each command is a module of `commands`, imported light."""

from __future__ import annotations

import argparse
import contextlib
import re
import signal
import sys
import textwrap
from collections.abc import Sequence

from cascade_equivalence import __version__, commands
from cascade_equivalence.errors import CeqError
from cascade_equivalence.reading.terminal import message

DESCRIPTION = "Measure whether a speech LLM is more than the ASR → LLM cascade that shares its backbone."
EPILOG = """examples:
  ceq run                                  the pocket study: embedded models, minutes on a laptop
  ceq run study.yaml --out runs/mine       your own models, tasks and conditions; resumes where it stopped
  ceq report runs/mine                     rebuild the report from the journal, no models needed

exit status: 0 done, 1 the run or a gate failed, 2 wrong use or cannot start, 130 interrupted"""


INTERRUPTED = 130


_LINE = re.compile(r"(?P<what>\s+\S+(?: \S+)*)(?P<gap>\s{2,})(?P<said>\S.*)")
"""An example and its comment, or a name and what it means."""
_HANGING = 30
"""Columns that a name may take for what it means to be broken beside it, not below."""


class Help(argparse.RawDescriptionHelpFormatter):
    """Descriptions and examples as they are written, broken where the terminal is narrower than they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines: list[str] = []
        for line in _joined(text.splitlines()):
            found = _LINE.fullmatch(line)
            if not line.startswith(" "):
                lines += textwrap.wrap(line, width, break_on_hyphens=False) or [""]
            elif found is None or len(line) <= width:
                lines.append(line)
            else:
                beside = len(found["what"] + found["gap"]) <= _HANGING
                first = found["what"] + found["gap"] if beside else " " * 6
                lines += [] if beside else [found["what"]]
                rest = " " * len(first)
                lines += textwrap.wrap(
                    found["said"], width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
                )
        return "\n".join(indent + line for line in lines)


def _joined(lines: Sequence[str]) -> list[str]:
    """The lines, those of one paragraph as one; examples and lists, which are indented, stay as they are."""
    found: list[str] = []
    for line in lines:
        if found and line and not line.startswith(" ") and found[-1] and not found[-1].startswith(" "):
            found[-1] += f" {line}"
        else:
            found.append(line)
    return found


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = argparse.ArgumentParser("ceq", description=DESCRIPTION, epilog=EPILOG, formatter_class=Help)
    top.add_argument("--version", action="version", version=f"ceq {__version__}")
    subparsers = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in commands.modules().items():
        sub = subparsers.add_parser(
            name,
            help=module.HELP,
            description=module.HELP,
            epilog=module.EPILOG,
            formatter_class=Help,
        )
        module.add_arguments(sub)
        sub.set_defaults(main=module.main)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    args = parser().parse_args(arguments)
    with contextlib.suppress(ValueError):
        # Asked to end, a command ends as at Ctrl-C; only a program's main thread can say so.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status: int = args.main(args)
    except CeqError as error:
        print(f"ceq {args.command}: {message(error)}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print(f"ceq {args.command}: interrupted; what was committed is kept", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        print(f"ceq {args.command}: {message(error)}", file=sys.stderr)
        return 1
    except MemoryError:
        print(f"ceq {args.command}: out of memory; what was committed is kept", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
