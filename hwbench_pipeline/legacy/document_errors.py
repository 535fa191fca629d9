"""The one error for a file that gives no document.

Belongs here: that error, which every format's parser raises. Does not belong here: parsing (`documents`, `tabular`,
`columnar`).
"""

from __future__ import annotations


class UnreadableDocumentError(ValueError):
    """A file that gives no document; the message says what was found, what was expected, and the fix.

    `is_foreign` is True where the file is readable text of another kind (code, prose), which is no broken result.
    """

    def __init__(self, message: str, *, is_foreign: bool = False) -> None:
        super().__init__(message)
        self.is_foreign = is_foreign
