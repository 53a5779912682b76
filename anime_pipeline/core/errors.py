"""Errors that a person reads: what was received, what was expected, what to do; and exit codes."""

import errno

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_PARTIAL = 3
EXIT_DATA = 4
EXIT_CHECKPOINT = 5
EXIT_HOST_LOST = 6
EXIT_INTERRUPTED = 130


class PipelineError(Exception):
    """A failure with a message for people; `exit_code` is what the command line returns."""

    exit_code = EXIT_FAILURE


class UsageError(PipelineError):
    """The request itself cannot be carried out: wrong option, value or combination."""

    exit_code = EXIT_USAGE


class PartialError(PipelineError):
    """Some inputs of a one-output-per-input command failed; the others were written."""

    exit_code = EXIT_PARTIAL


class DataError(PipelineError):
    """The data found cannot serve the request (none usable, too small, unreadable)."""

    exit_code = EXIT_DATA


class CheckpointError(PipelineError):
    """No checkpoint or weights file can be read, or it belongs to another architecture."""

    exit_code = EXIT_CHECKPOINT


class HostLostError(PipelineError):
    """Another host of a training run has not come, has ended, or is not heard of any more."""

    exit_code = EXIT_HOST_LOST


class TrainingInterruptedError(PipelineError):
    """Training was stopped by Ctrl-C after its state was saved."""

    exit_code = EXIT_INTERRUPTED


class NotAFileError(OSError):
    """Something else than a regular file, or a larger one than is read, stands at a path."""


def invalid(argument: str, expected: str, received: object) -> ValueError:
    """Return what is raised where a function gets an argument that no caller should give."""
    text = f"Invalid value for argument `{argument}`. Expected {expected}. Received: {received}"
    return ValueError(text)


def in_words(error: BaseException) -> PipelineError | None:
    """Say in human words what a library raised, or return None where it would be a guess.

    Frameworks are recognised by their messages, so that none need be imported to fail.
    """
    if isinstance(error, PipelineError):
        return error
    if is_out_of_memory(error):
        return PipelineError(
            f"Out of memory ({_first_line(str(error)) or 'no more could be had'}). Close other "
            "programs, or ask for less at once: a smaller --batch-size, --crop-size or --width "
            "when training, a smaller --batch-size or smaller pictures otherwise."
        )
    if isinstance(error, ModuleNotFoundError) and error.name in ("keras", "tensorflow"):
        return PipelineError(
            f"This is a slim installation: {error.name} is not installed, and this command needs "
            "it. Install all that the package requires (pip install . in the project's folder)."
        )
    if isinstance(error, ModuleNotFoundError):
        top = (error.name or "").partition(".")[0]
        return PipelineError(
            f"The Python package {error.name!r} is not installed, and this command needs it. "
            f"Install it (pip install {_PACKAGES.get(top, top)}), or install anime-pipeline again "
            "with all it depends on."
        )
    if isinstance(error, ImportError):
        return PipelineError(
            f"A library cannot be loaded ({_first_line(str(error))}). Install it again; "
            "anime-pipeline doctor tells which versions are there."
        )
    if isinstance(error, OSError):
        place = error.filename or "A file or device"
        return PipelineError(
            f"{place}: {error.strerror or error}.{_ADVICE.get(error.errno or 0, _ADVICE[0])}"
        )
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether memory was wanted that is not there, of the machine or of a device."""
    text = f"{type(error).__name__}: {error}"
    return isinstance(error, MemoryError) or any(mark in text for mark in _OUT_OF_MEMORY)


_OUT_OF_MEMORY = (
    "ResourceExhausted",
    "RESOURCE_EXHAUSTED",
    "OOM when allocating",
    "Out of memory",
    "Insufficient memory",
    "Failed to allocate memory",
    "bad_alloc",
)

# Where the package to install is called otherwise than the module.
_PACKAGES = {"cv2": "opencv-python-headless", "PIL": "Pillow", "skimage": "scikit-image"}

_ADVICE = {
    0: " Check the path and its permissions.",  # of what is not below
    errno.ENOSPC: " Make room on the disk, or name a folder on another one.",
    errno.EDQUOT: " Make room, or name a folder on another disk.",
    errno.EACCES: " Name a folder that you may write to, or change its permissions.",
    errno.EPERM: " Name a folder that you may write to, or change its permissions.",
    errno.EROFS: " Name a folder that you may write to.",
    errno.ENOTDIR: " A part of this path is a file; name another folder.",
    errno.EISDIR: " Name a file, not a folder.",
    errno.ENAMETOOLONG: " Choose a shorter name.",
    errno.EMFILE: " Close other programs, or raise the limit (ulimit -n).",
    errno.ENOENT: " Check the path.",
    errno.EEXIST: " A file, or a link to nothing, is in the way; name another folder.",
}


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0][:200]
