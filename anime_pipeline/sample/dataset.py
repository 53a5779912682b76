"""The built-in dataset: drawn faces in the reference layout, with their colours."""

from pathlib import Path

from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.progress import Progress, ignored
from anime_pipeline.core.randomness import stream
from anime_pipeline.core.storage import atomic_write_text
from anime_pipeline.data.characters import COLOR_FILE, Colors, format_color_csv
from anime_pipeline.images.codec import write_png
from anime_pipeline.sample.drawing import draw_face

PER_FOLDER = 50
NAMES = ("sakura", "yuki", "hana", "rin", "mei", "aoi", "kaede", "sora", "nao", "tsubaki")


def write_sample_dataset(
    out: Path,
    count: int,
    seed: int,
    size_px: int,
    progress: Progress = ignored,
) -> int:
    """Draw `count` faces into folders `NNN_name/` with a `color.csv` each.

    Returns:
        The number of folders.

    Raises:
        UsageError: If `out` holds other files already; nothing is overwritten.
    """
    if out.exists() and any(p.name != "README.md" and p.name[0] != "." for p in out.iterdir()):
        raise UsageError(
            f"{out} is not empty. Give an empty or new folder: anime-pipeline sample-data FOLDER"
        )
    seeds = stream(seed, "sample data").integers(0, 2**31, count)
    folders = -(-count // PER_FOLDER)
    for number in range(folders):
        folder = out / f"{number:03d}_{NAMES[number % len(NAMES)]}"
        rows: list[tuple[str, Colors]] = []
        for index in range(number * PER_FOLDER, min((number + 1) * PER_FOLDER, count)):
            face = draw_face(int(seeds[index]), size_px)
            name = f"face_{index:05d}.png"
            write_png(folder / name, face.image)
            rows.append((name, Colors(face.hair_rgb, face.skin_rgb)))
            progress(index + 1, count)
        atomic_write_text(folder / COLOR_FILE, format_color_csv(rows))
    return folders
