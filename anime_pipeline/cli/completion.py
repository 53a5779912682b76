"""`anime-pipeline completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from anime_pipeline.core.errors import UsageError

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "anime-pipeline"
VARIABLE = "_ANIME_PIPELINE_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the completion script of a shell: commands, options and their choices by Tab.

    \b
    bash:  anime-pipeline completion bash >> ~/.bashrc
    zsh:   anime-pipeline completion zsh >> ~/.zshrc
    fish:  anime-pipeline completion fish > ~/.config/fish/completions/anime-pipeline.fish
    """  # noqa: D301 (click's own mark for "do not wrap")
    from anime_pipeline.cli.main import main

    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"No completion for {shell!r}. Expected one of: {', '.join(SHELLS)}.")
    try:
        script = kind(main, {}, PROGRAM, VARIABLE).source()
    except RuntimeError as error:  # an old bash
        raise UsageError(
            f"{shell} cannot complete: {error} Install a newer {shell}, or choose another shell."
        ) from None
    click.echo(script)
