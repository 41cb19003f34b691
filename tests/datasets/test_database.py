from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from sqlalchemy import Column, Integer, MetaData, Table, inspect

from datasets.database import open_database

AT_ONCE = 6
TABLES = MetaData()
for name in "abcdefgh":
    Table(name, TABLES, Column("id", Integer, primary_key=True))


def test_several_may_make_a_database_at_once(tmp_path: Path) -> None:
    begin = Barrier(AT_ONCE)

    def open_it(_: int) -> list[str]:
        begin.wait()
        engine = open_database(f"sqlite:///{tmp_path}/new.sqlite", TABLES)
        found = inspect(engine).get_table_names()
        engine.dispose()
        return found

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert list(pool.map(open_it, range(AT_ONCE))) == [list("abcdefgh")] * AT_ONCE
