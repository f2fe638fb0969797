"""asof: features of an asofd server, as of now or of any past moment.

    import asof

    client = asof.Client("127.0.0.1:6391")
    answer = client.get(["card_payments.payments_5m", "card_payments.amount_avg_7d"], {"card": ["c42", "c43"]}, timeout=0.1)
    answer.to_dict()          # also to_numpy, to_matrix, to_pandas, to_arrow
    answer["card_payments.payments_5m"].statuses

    train = asof.training_set(labels, "fraud")

docs/python.md is its guide.
"""

import pkgutil

# What protoc makes of proto/ for plain grpcio is the package asof.v1: it may lie elsewhere on the path.
__path__ = pkgutil.extend_path(__path__, __name__)

from .aio import AsyncClient
from .answer import Column, Features, View
from .arguments import NO_TIMEOUT
from .client import Client, training_set
from .errors import (Aborted, AlreadyExists, Cancelled, DataLoss, DeadlineExceeded, Error, FailedPrecondition, Internal,
                     InvalidArgument, NotFound, OutOfRange, PermissionDenied, ResourceExhausted, Unauthenticated, Unavailable,
                     Unimplemented, Unknown)
from .registry import Change

__version__ = "0.1.0"

__all__ = ["Aborted", "AlreadyExists", "AsyncClient", "Cancelled", "Change", "Client", "Column", "DataLoss",
           "DeadlineExceeded", "Error", "FailedPrecondition", "Features", "Internal", "InvalidArgument", "NO_TIMEOUT",
           "NotFound", "OutOfRange", "PermissionDenied", "ResourceExhausted", "Unauthenticated", "Unavailable",
           "Unimplemented", "Unknown", "View", "training_set"]
