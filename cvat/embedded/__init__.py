"""A CVAT-compatible server for one machine: FastAPI, SQLite and plain files in a data folder.

It exists so that the same `cvat-sdk` code runs in the demo, in tests and in simulations, and it is held to CVAT
by a contract suite. Start it with `python -m cvat.embedded`, or call `cvat.embedded.server.serve`.
"""
