"""What Tab offers where a name is typed, and `anime-pipeline completion`, which makes it work."""

from pathlib import Path

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ZshComplete

from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.runs import STAGES, list_runs
from anime_pipeline.data.words import RANDOM, WORDS
from anime_pipeline.images.colour_names import main_colours

SHELLS = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
PROGRAM, VARIABLE = "anime-pipeline", "_ANIME_PIPELINE_COMPLETE"


def run_names(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Offer the names of runs below `--checkpoints`, and files."""
    root = Path(context.params.get("checkpoints") or "checkpoints")
    names = [f"{stage}/{run.name}" for stage in STAGES for run in list_runs(root / stage)]
    return _starting_with(typed, names)


def weights_names(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Offer shipped weights, the names of runs, and files."""
    from anime_pipeline.models.zoo import shipped

    return [*_starting_with(typed, list(shipped()))[:-1], *run_names(context, _, typed)]


def colour_names(_: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Offer the names of colours for `--hair` and `--skin`; after a comma, for the next one."""
    part = str(parameter.name)
    return _next_word(typed, [*main_colours(part), RANDOM])  # type: ignore[arg-type]


def words(_: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Offer the words for `--eyes` and `--hair-length`; after a comma, for the next one."""
    return _next_word(typed, [*WORDS[str(parameter.name)], RANDOM])


def _next_word(typed: str, names: list[str]) -> list[CompletionItem]:
    before, comma, begun = typed.rpartition(",")
    return [CompletionItem(before + comma + name) for name in names if name.startswith(begun)]


def _starting_with(typed: str, names: list[str]) -> list[CompletionItem]:
    found = [CompletionItem(name) for name in names if name.startswith(typed)]
    return [*found, CompletionItem(typed, type="file")]


@click.command("completion")
@click.argument("shell", type=click.Choice(list(SHELLS)))
def command(shell: str) -> None:
    """Print the completion script of a shell: commands, options and their choices by Tab.

    \b
    bash:  anime-pipeline completion bash >> ~/.bashrc
    zsh:   anime-pipeline completion zsh >> ~/.zshrc
    fish:  anime-pipeline completion fish > ~/.config/fish/completions/anime-pipeline.fish
    """  # noqa: D301 (click's own mark for "do not wrap")
    from anime_pipeline.cli.main import main

    try:
        script = SHELLS[shell](main, {}, PROGRAM, VARIABLE).source()
    except RuntimeError as error:  # an old bash
        raise UsageError(
            f"{shell} cannot complete: {error} Install a newer {shell}, or choose another shell."
        ) from None
    click.echo(script)
