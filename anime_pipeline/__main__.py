"""`python -m anime_pipeline` is the same program as the `anime-pipeline` command."""

from anime_pipeline.cli.main import run

if __name__ == "__main__":
    run()
