"""The test server itself: other suites rest on its schemas being empty and apart."""

from __future__ import annotations

import sqlalchemy as sa


def test_each_url_is_an_empty_schema_of_its_own(postgresql_url):
    first, second = (sa.create_engine(postgresql_url()) for _ in range(2))
    with first.begin() as connection:
        connection.execute(sa.text("create table fact (id integer)"))
    assert sa.inspect(first).get_table_names() == ["fact"]
    assert sa.inspect(second).get_table_names() == []
    first.dispose()
    second.dispose()


def test_a_url_opened_twice_is_the_same_schema(postgresql_url):
    url = postgresql_url()
    writer, reader = sa.create_engine(url), sa.create_engine(url)
    with writer.begin() as connection:
        connection.execute(sa.text("create table fact (id integer)"))
    assert sa.inspect(reader).has_table("fact")
    writer.dispose()
    reader.dispose()
