"""Rights in images: who stated which licence, and taking pictures out when the right to use them is withdrawn."""

from datasets.rights.deletion import Deletion, delete_images
from datasets.rights.ledger import Entry, Takedowns, entry, is_taken_down, read_takedowns, write_takedown
from datasets.rights.licenses import Disagreement, LicenseRow, Licenses, licenses, licenses_to_json
from datasets.rights.tables import print_deletion, print_licenses, print_withdrawal
from datasets.rights.takedown import Claim
from datasets.rights.withdrawal import (
    Holding,
    Replacement,
    Withdrawal,
    find_in_versions,
    versions_holding,
    write_replacements,
)

__all__ = [
    "Claim",
    "Deletion",
    "Disagreement",
    "Entry",
    "Holding",
    "LicenseRow",
    "Licenses",
    "Replacement",
    "Takedowns",
    "Withdrawal",
    "delete_images",
    "entry",
    "find_in_versions",
    "is_taken_down",
    "licenses",
    "licenses_to_json",
    "print_deletion",
    "print_licenses",
    "print_withdrawal",
    "read_takedowns",
    "versions_holding",
    "write_replacements",
    "write_takedown",
]
