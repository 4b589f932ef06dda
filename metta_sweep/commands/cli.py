"""The command line: finds a command's file by its name, and is where every error ends."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import keyword
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from metta_sweep.commands.for_hydra import hydra_app, in_its_words
from metta_sweep.errors import MettaSweepError, RequestError, SweepFailedError
from metta_sweep.invocation import PROGRAM, going_back

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS: Mapping[str, Sequence[str]] = {
    "Sweep": ("init", "run", "plan", "confirm", "rerun"),
    "Read": ("list", "summarize", "watch", "explain", "best", "report", "serve", "export", "replay"),
    "Steer": ("stop", "pause", "resume", "add", "retry", "discard", "rescore"),
    "Move and mend": ("sync", "import", "migrate", "remove", "doctor"),
}
"""The commands by section of the help. Each is the function ``command`` of the module of its name in this package."""

NAMES = tuple(name for names in COMMANDS.values() for name in names)


class CommandFiles(click.Group):
    """A group that imports a command's module when the command is used, so that the others cost nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of the help."""
        del ctx
        return list(NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or None where there is none of that name."""
        del ctx
        if cmd_name not in NAMES:
            return None
        command: click.Command = importlib.import_module(module_of(cmd_name)).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of a command line.

        Raises:
            NoSuchCommand: There is none of that name; it says which may have been meant.
        """
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=NAMES, ctx=ctx) from None

    def invoke(self, ctx: click.Context) -> int:
        """Run the command; the reader of a pipe (head, less) that has seen enough is not an error."""
        try:
            return int(super().invoke(ctx) or 0)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands into the help, section by section."""
        del ctx
        for section, names in COMMANDS.items():
            with formatter.section(section):
                formatter.write_dl([(name, sentence(name)) for name in names])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that a word may become, then the options."""
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name, help=sentence(name)) for name in NAMES if name.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]


def module_of(name: str) -> str:
    """Return the full name of a command's module: ``import`` is in ``import_``."""
    return f"{__package__}.{name}{'_' * keyword.iskeyword(name)}"


def sentence(name: str) -> str:
    """Return what a command does: the first line of its docstring, read without importing its module."""
    spec = importlib.util.find_spec(module_of(name))
    source = Path(spec.origin).read_text(encoding="utf-8") if spec is not None and spec.origin else ""
    functions = (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))
    documented = next((ast.get_docstring(node) for node in functions if node.name == "command"), None)
    return (documented or "").partition("\n")[0].removesuffix(".")


@click.group(cls=CommandFiles, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="metta-sweep", prog_name=PROGRAM, message="%(prog)s %(version)s")
@click.pass_context
def program(context: click.Context) -> None:
    """Find good hyperparameters for expensive training."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 failed, 2 wrong request, 130/143 interrupted."""
    app = hydra_app(os.environ)
    try:
        with going_back():
            code = program.main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except MettaSweepError as error:
        return _say_error(in_its_words(error) if app is not None else error)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    except PermissionError as error:
        return _say_error(SweepFailedError(f"not allowed: {error.filename or ''}: {error.strerror}"))
    return int(code or 0)


def _say_error(error: MettaSweepError) -> int:
    head = "error: " if isinstance(error, RequestError) else ""
    click.echo(f"{head}{error}", err=True)
    return error.exit_code
