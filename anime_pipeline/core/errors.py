"""Errors that a person reads: what was received, what was expected, what to do; and exit codes."""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_PARTIAL = 3
EXIT_DATA = 4
EXIT_CHECKPOINT = 5
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


class TrainingInterruptedError(PipelineError):
    """Training was stopped by Ctrl-C after its state was saved."""

    exit_code = EXIT_INTERRUPTED
