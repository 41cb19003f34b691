"""What the ledger tells of pre-labelling: how much of it people accept, and what it saves them."""

from datasets.ledger.report.material import Material, read_material
from datasets.ledger.report.page import write_report_page
from datasets.ledger.report.report import Report, make_report, report_to_json
from datasets.ledger.report.tables import print_report

__all__ = [
    "Material",
    "Report",
    "make_report",
    "print_report",
    "read_material",
    "report_to_json",
    "write_report_page",
]
