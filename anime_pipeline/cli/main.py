"""The `anime-pipeline` command: a table of subcommands, each module loaded only when it is used."""

import io
import os
import pkgutil
import re
import sys
import threading
import time
from typing import NoReturn

import click

from anime_pipeline import __version__
from anime_pipeline.core import errors
from anime_pipeline.core.signals import stopping_as_ctrl_c
from anime_pipeline.core.text import visible

THREADS_END_S = 0.5  # what a thread gets to come to its end when the command is interrupted

# command name -> (module and object, one-line help shown in the list)
COMMANDS: dict[str, tuple[str, str]] = {
    "generate": ("generate:command", "Make faces from seeds, optionally upscaled."),
    "palette": ("play:palette", "Draw one seed in every hair and skin colour."),
    "variations": ("play:variations", "Draw the neighbours of a face."),
    "interpolate": ("play:interpolate", "Travel from face to face: GIF, MP4, sheet."),
    "project": ("project:command", "Find the face nearest to a picture."),
    "upscale": ("upscale:command", "Upscale pictures 4x."),
    "serve": ("serve:command", "Open the page where faces are made in a browser."),
    "train-dcgan": ("training:train_dcgan", "Train stage one on a folder of faces."),
    "train-srgan": ("training:train_srgan", "Train stage two on a folder of faces."),
    "benchmark": ("benchmark:command", "Measure PSNR and SSIM against baselines."),
    "evaluate": ("evaluate:command", "Measure a generator against held-out faces."),
    "export": ("export:command", "Write networks for other programs: ONNX, LiteRT."),
    "inspect": ("data:inspect", "Tell what a folder of faces holds."),
    "prepare": ("prepare:command", "Decode a large set ahead of training."),
    "annotate": ("annotate:command", "Estimate hair and skin colours of faces."),
    "sample-data": ("data:sample_data", "Draw a practice set of faces."),
    "runs": ("runs:command", "List, compare and plot training runs."),
    "models": ("doctor:models", "List and verify the shipped weights."),
    "doctor": ("doctor:doctor", "Check this installation and this machine."),
    "completion": ("complete:command", "Print the completion script of a shell."),
}

PREFIX = "ANIME_PIPELINE"


def _upper(name: str) -> str:
    return name.lstrip("-").replace("-", "_").upper()


def _name_variables(command: click.Command, prefix: str) -> None:
    """Give each option its environment variable: click's own rule goes by Python's names."""
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            own = f"{prefix}_{_upper(max(parameter.opts, key=len))}"
            # One that an option has already, such as the PORT of hosting services, comes second.
            given = parameter.envvar or ()
            given = [given] if isinstance(given, str) else given
            others = [name for name in given if name != own]  # a command may be asked for twice
            parameter.envvar = [own, *others] if others else own
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            _name_variables(inner, f"{prefix}_{_upper(name)}")


class LazyGroup(click.Group):
    """A group that imports a subcommand's module only when that subcommand is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one subcommand."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = pkgutil.resolve_name(f"{__package__}.{COMMANDS[cmd_name][0]}")
        _name_variables(command, f"{PREFIX}_{_upper(cmd_name)}")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True}  # of all subcommands, too


@click.group(cls=LazyGroup, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="anime-pipeline")
def main() -> None:
    """Anime faces in two stages: a DCGAN draws 32x32 faces, an SRGAN upsamples them 4x.

    Start with:  anime-pipeline generate -n 16 --upscale --grid

    Every option can also come from the environment: ANIME_PIPELINE_GENERATE_SEED=11 stands for
    --seed 11 of `generate`, and so on for any command.
    """


def run() -> NoReturn:
    """Run the program: failures become one clear message and the exit code that fits."""
    for name in ("COLUMNS", "LINES"):
        # Sizes that nothing can be shown in, or that libraries fail at, are none.
        if not re.fullmatch("[1-9][0-9]{1,2}", os.environ.get(name, "80"), re.ASCII):
            del os.environ[name]
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller: nobody wants to read it
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # Where a terminal or a file takes Latin letters only, names in others are shown escaped,
        # as they are on stderr by Python's own choice.
        sys.stdout.reconfigure(errors="backslashreplace")
    before = set(threading.enumerate())
    with stopping_as_ctrl_c():
        code = _exit_code()
    if code == errors.EXIT_INTERRUPTED:
        _leave_threads(set(threading.enumerate()) - before)
    sys.exit(code)


def _leave_threads(threads: set[threading.Thread]) -> None:
    """End the process where one of the command's threads would keep it: Python waits for them."""
    until = time.monotonic() + THREADS_END_S
    for thread in threads:
        if not thread.daemon:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                for stream in (sys.stdout, sys.stderr):
                    stream.flush()
                os._exit(errors.EXIT_INTERRUPTED)


def _exit_code() -> int:
    code: object
    try:
        code = main(standalone_mode=False)
    except click.exceptions.Exit as request:
        code = request.exit_code
    except (click.Abort, KeyboardInterrupt):  # click turns the one into the other
        click.echo("Interrupted.", err=True)
        code = errors.EXIT_INTERRUPTED
    except click.ClickException as error:
        said = io.StringIO()
        error.show(said)
        click.echo(visible(said.getvalue()), nl=False, err=True)
        code = error.exit_code
    except errors.TrainingInterruptedError as request:
        click.echo(visible(str(request)), err=True)
        code = request.exit_code
    except BrokenPipeError:
        # The reader (head, say) has gone; Python would complain again when flushing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = errors.EXIT_FAILURE
    except Exception as error:
        if (failure := errors.in_words(error)) is None:
            raise  # a defect of this program: the traceback is what its maintainers need
        click.echo(f"Error: {visible(str(failure))}", err=True)
        code = failure.exit_code
    return code if isinstance(code, int) else 0
