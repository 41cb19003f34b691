"""Annotation by serverless functions: what Nuclio has, how its labels become those of a task, calls and runs."""
