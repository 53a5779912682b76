"""Fuzz targets for what reads strangers' files: python tests/fuzz_readers.py TARGET [options].

Options are libFuzzer's, such as -max_total_time=60 and a folder of seeds.
"""

import sys
import warnings

import atheris

with atheris.instrument_imports(include=["anime_pipeline", "PIL"]):
    import numpy as np

    from anime_pipeline.core.errors import DataError
    from anime_pipeline.data.characters import parse_color_csv
    from anime_pipeline.images.codec import decode


def picture(content: bytes) -> None:
    """Any bytes are an RGB picture or a refusal in one line; nothing else comes out."""
    try:
        image = decode(content, "fuzzed")
    except DataError as error:
        message = str(error)
        assert message.startswith("fuzzed: ") and "\n" not in message  # noqa: S101
        return
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3  # noqa: S101


def table(content: bytes) -> None:
    """Any bytes are a table whose rows are all accounted for: used, or a problem with its line."""
    found = parse_color_csv(content, "fuzzed")
    for name, colors in found.by_file.items():
        assert name and all(0 <= value <= 255 for value in (*colors.hair, *colors.skin))  # noqa: S101
    assert all(text.startswith("fuzzed:") for text in found.problems)  # noqa: S101
    # A broken row may end the table, and is then the only one not counted.
    accounted = len(found.by_file) + len(found.problems)
    assert found.rows <= accounted <= found.rows + 1  # noqa: S101


def main() -> None:
    """Run one target."""
    warnings.simplefilter("ignore")  # Pillow remarks on odd metadata
    target = {"picture": picture, "table": table}[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
