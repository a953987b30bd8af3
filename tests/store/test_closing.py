"""A store that is closed while somebody is inside it, or before somebody comes."""

import threading

import pytest
import sqlalchemy as sa

from watchtower.nouns.errors import Unavailable
from watchtower.store.database import Database

LONG = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT max(i) FROM n"


@pytest.mark.parametrize("memory", [True, False], ids=["in memory", "a file"])
def test_closing_waits_for_who_is_inside_and_refuses_who_comes_later(memory: bool, tmp_path_factory: pytest.TempPathFactory) -> None:  # noqa: FBT001  a table's column
    url = "sqlite://" if memory else f"sqlite:///{tmp_path_factory.mktemp('store')}/w.db"
    database = Database.open(url, read_only=False)
    inside, found = threading.Event(), []

    def read() -> None:
        with database.writing() as tx:
            inside.set()
            found.append(tx.execute(sa.text(LONG)).scalar())

    thread = threading.Thread(target=read)
    thread.start()
    inside.wait(10)
    database.close()
    thread.join(30)
    assert found == [3_000_000]
    for door in (database.reading, database.writing):
        with pytest.raises(Unavailable, match="was closed"), door():
            pass
