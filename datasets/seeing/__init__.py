"""Seeing a dataset: its numbers, and frames with what is annotated on them."""

from datasets.seeing.frames import FRAMES, Group, choose_frames
from datasets.seeing.page import write_statistics_page
from datasets.seeing.show import Shown, describe_frames, frames_to_json, write_frames_page
from datasets.seeing.statistics import Statistics, statistics, to_json
from datasets.seeing.tables import print_statistics

__all__ = [
    "FRAMES",
    "Group",
    "Shown",
    "Statistics",
    "choose_frames",
    "describe_frames",
    "frames_to_json",
    "print_statistics",
    "statistics",
    "to_json",
    "write_frames_page",
    "write_statistics_page",
]
