"""`anime-pipeline serve`."""

import os
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from anime_pipeline.cli.common import checkpoints_option, say, waiting
from anime_pipeline.cli.complete import weights_names
from anime_pipeline.core.errors import EXIT_FAILURE
from anime_pipeline.web.serving.settings import (
    LOOPBACK_HOSTS,
    MOST_QUEUE,
    Settings,
    hosts,
    storage,
)

ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104


class NamesVariables(click.Command):
    """Blames the variable, not an option that nobody typed, for a wrong value that it holds."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options; what is wrong is told by where it stands."""
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as error:
            option = error.param
            source = option and ctx.get_parameter_source(option.name or "")
            if option and option.envvar and source is ParameterSource.ENVIRONMENT:
                names = [option.envvar] if isinstance(option.envvar, str) else option.envvar
                variable = next(name for name in names if os.environ.get(name))
                error.param_hint = f"the variable {variable} ({option.opts[0]})"
            raise


def _storage(context: click.Context, option: click.Parameter, url: str) -> str:
    try:
        return storage(url)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


@click.command("serve", cls=NamesVariables)
@click.option("--host", default="127.0.0.1",
              help="Address to listen on; 0.0.0.0 lets other machines in.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65_535), envvar="PORT", default=8000,
              help="Port; 0 takes a free one.")  # fmt: skip
@click.option("--checkpoint", default="dcgan", shell_complete=weights_names,
              help="Stage one: a shipped name, a .npz file or a run folder.")  # fmt: skip
@click.option("--upscaler", default="", show_default=False, shell_complete=weights_names,
              help="Stage two, likewise [default: the shipped pair].")  # fmt: skip
@checkpoints_option
@click.option("--queue", type=click.IntRange(1, MOST_QUEUE), default=Settings.queue,
              help="Requests that may wait; more are refused at once.")  # fmt: skip
@click.option("--rate-limit", type=click.IntRange(min=0), default=Settings.rate_limit,
              help="Faces a minute for each client on another machine; 0: no limit.")  # fmt: skip
@click.option("--upload-rate-limit", type=click.IntRange(min=0),
              default=Settings.upload_rate_limit, help="Uploads a minute, likewise.")  # fmt: skip
@click.option("--rate-limit-storage", default="", show_default=False, callback=_storage,
              help="Where replicas count together, such as redis://host:6379 [default: each for "
              "itself].")  # fmt: skip
@click.option("--proxies", type=click.IntRange(0, 16), default=Settings.proxies,
              help="Reverse proxies in front, whose X-Forwarded headers are believed.")  # fmt: skip
@click.option("--trusted-hosts", default="", show_default=False,
              help="Names that this server is called by, with commas between [default: this "
              "machine's own, unless --host lets others in].")  # fmt: skip
@click.option("--face-timeout-s", type=click.FloatRange(1, 3600), default=Settings.face_timeout_s,
              help="How long a face may take, waiting included.")  # fmt: skip
@click.option("--upscale-timeout-s", type=click.FloatRange(1, 3600),
              default=Settings.upscale_timeout_s, help="How long an upload may take.")  # fmt: skip
@click.option("--open", "open_browser", is_flag=True, help="Open the page in a browser.")
def command(
    host: str, port: int, trusted_hosts: str, open_browser: bool, checkpoints: Path, **options: Any
) -> None:
    """Open the page where faces are made, and the API below it.

    Everything runs on this machine, with the shipped models or your own; nothing is sent anywhere
    else. Ctrl-C stops it once all that was asked for has been answered.
    """
    with waiting("Loading the models"):
        from anime_pipeline.core.network import own_address
        from anime_pipeline.web.app import create_app
        from anime_pipeline.web.services import EXTENSION, Services
        from anime_pipeline.web.serving.server import listen, serve

        trusted = hosts(trusted_hosts)
        if not trusted and host in (*LOOPBACK_HOSTS, "::1"):
            # A page elsewhere could otherwise reach this one under a name of its own.
            trusted = LOOPBACK_HOSTS
        # Before the models, as it is what most often fails.
        listening = listen(host, port)
        settings = Settings(checkpoints=checkpoints, trusted_hosts=trusted, **options)
        have: Services = create_app(settings).extensions[EXTENSION]
    bound = listening.getsockname()
    shown = "127.0.0.1" if host in ANY_ADDRESS else host
    url = _url(shown, bound[1])

    def on_ready() -> None:
        if host in ANY_ADDRESS:
            own = own_address(listening.family)
            known = f" From others: {_url(own, bound[1])}" if own else ""
            say(f"Listening on all addresses of this machine.{known}")
        elif trusted_hosts and not options["proxies"]:
            # All of its clients would count as this machine, which has no limits.
            say("Behind a web server on this machine? Add --proxies 1.")
        say(f"Faces at {url}  (Ctrl-C stops)")
        if open_browser:
            click.launch(url)

    if serve(have.shedding, listening, settings.queue, have.worker.stop, on_ready):
        say("Stopped; everything that was accepted has been answered.")
        return
    say(
        "Stopped, but some requests were left unanswered: they took too long. Choose a smaller "
        "--upscale-timeout-s if that happens often."
    )
    # Not through Python's own end, which would pull the ground from under the models' thread.
    os._exit(EXIT_FAILURE)
