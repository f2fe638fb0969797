"""What a call may fail with: one class for each of gRPC's codes, all of them `asof.Error`."""

from __future__ import annotations


class Error(Exception):
    """A call failed. `code` is gRPC's number of the reason; the text says what is wrong and what would be right."""

    code = 2


class Cancelled(Error):
    """The call was given up before it was answered."""

    code = 1


class Unknown(Error):
    """It is not known whether the call was done: the disk of the server failed, or the connection broke behind a push."""

    code = 2


class InvalidArgument(Error, ValueError):
    """The request is wrong, or an event is refused."""

    code = 3


class DeadlineExceeded(Error, TimeoutError):
    """The answer did not come within the timeout. What a push began goes on: it may be accepted."""

    code = 4


class NotFound(Error, LookupError):
    """There is no such view, version, feature, source or definition."""

    code = 5


class AlreadyExists(Error):
    """What was to be made is there already."""

    code = 6


class PermissionDenied(Error, PermissionError):
    """The server does not allow it, such as a path outside its --export-dirs."""

    code = 7


class ResourceExhausted(Error):
    """Beyond a limit of the server or of the client, or too much is waiting."""

    code = 8


class FailedPrecondition(Error):
    """It can't be done in the state that things are in."""

    code = 9


class Aborted(Error):
    """Something else came between."""

    code = 10


class OutOfRange(Error):
    """Beyond what there is."""

    code = 11


class Unimplemented(Error, NotImplementedError):
    """The server has no such method: it is older than this client."""

    code = 12


class Internal(Error):
    """What came from the server is no answer."""

    code = 13


class Unavailable(Error, ConnectionError):
    """The server can't be reached, is stopping, or is still filling the view."""

    code = 14


class DataLoss(Error):
    """Stored or sent bytes are not what was written."""

    code = 15


class Unauthenticated(Error):
    """The server wants to know who calls."""

    code = 16


_CLASSES = {cls.code: cls for cls in (
    Cancelled, Unknown, InvalidArgument, DeadlineExceeded, NotFound, AlreadyExists, PermissionDenied, ResourceExhausted,
    FailedPrecondition, Aborted, OutOfRange, Unimplemented, Internal, Unavailable, DataLoss, Unauthenticated)}


def error_of(code: int, text: str) -> Error:
    """The exception for a code of gRPC; one that gRPC does not have is `Unknown`."""
    return _CLASSES.get(code, Unknown)(text)
