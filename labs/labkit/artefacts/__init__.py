"""Model files: what leaks out of them, how to read one without running it, how to protect one.

Nothing in here loads a pickle. The one place where a pickle is opened is ``demonstration``: in a process of its own, in
a folder of its own, on a file that does nothing but leave a mark.
"""

from labkit.artefacts.demonstration import Demonstration, demonstrate_pickle, pickle_that_calls
from labkit.artefacts.leak import Leak, leak_files
from labkit.artefacts.opcodes import Listing, blobs, list_opcodes
from labkit.artefacts.readers import ArtefactRefused, file_kind, onnx_parameters, read_skops, vendor_parameters
from labkit.artefacts.serving import FileModel, serve_file, steal_from_file
from labkit.artefacts.tickets import Tickets, make_tickets
from labkit.artefacts.trees import first_questions, lonely_leaves
from labkit.artefacts.vault import (
    Keys,
    digest,
    key_from_environment,
    new_keys,
    open_sealed,
    permissions,
    read_model,
    refusal,
    seal,
    write_private,
)
from labkit.artefacts.verbatim import rows_held

__all__ = [
    "ArtefactRefused",
    "Demonstration",
    "FileModel",
    "Keys",
    "Leak",
    "Listing",
    "Tickets",
    "blobs",
    "demonstrate_pickle",
    "digest",
    "file_kind",
    "first_questions",
    "key_from_environment",
    "leak_files",
    "list_opcodes",
    "lonely_leaves",
    "make_tickets",
    "new_keys",
    "onnx_parameters",
    "open_sealed",
    "permissions",
    "pickle_that_calls",
    "read_model",
    "read_skops",
    "refusal",
    "rows_held",
    "seal",
    "serve_file",
    "steal_from_file",
    "vendor_parameters",
    "write_private",
]
