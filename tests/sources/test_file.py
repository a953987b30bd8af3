"""Lines of files as messages."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from watchtower.nouns.batch import Messages
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.window import Partition, Span
from watchtower.sources._follow import FollowSession
from watchtower.sources._lines import BLOCK, LONGEST, MOST_LINES
from watchtower.sources.file import File, ReplaySession

OPENED: list[ReplaySession | FollowSession] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def source(path: Path) -> File:
    return File.model_validate({"path": str(path), "format": {"kind": "watchtower_json"}})


def opened(path: Path, *, follow: bool = True) -> FollowSession:
    session = source(path).open(follow=follow)
    OPENED.append(session)
    return session


def followed(path: Path, at: int | None = None) -> FollowSession:
    session = opened(path)
    session.seek({Partition(str(path)): at})
    return session


def write(path: Path, content: bytes, mode: str = "ab") -> None:
    with path.open(mode) as file:
        file.write(content)


def rows(polled: Sequence[Messages]) -> list[tuple[int, bytes | None]]:
    return [row for each in polled for row in zip(each.positions.tolist(), each.values, strict=True)]


def all_rows(session: ReplaySession | FollowSession) -> list[tuple[int, bytes | None]]:
    found: list[tuple[int, bytes | None]] = []
    while polled := session.poll(0):
        found += rows(polled)
    return found


def test_nothing_is_read_before_it_is_sought(tmp_path: Path) -> None:
    write(tmp_path / "a", b"one\n")
    session = opened(tmp_path / "a")
    assert session.poll(0) == []
    assert session.fresh() == [Partition(str(tmp_path / "a"))]
    session.seek(dict.fromkeys(session.fresh()))
    assert session.fresh() == []
    assert rows(session.poll(0)) == [(0, b"one")]


def test_a_position_is_the_first_byte_of_a_line_and_the_next_one_follows_the_newline(tmp_path: Path) -> None:
    write(tmp_path / "a", b"one\ntwo\n")
    (polled,) = followed(tmp_path / "a").poll(0)
    assert (rows([polled]), polled.next_position, polled.end) == ([(0, b"one"), (4, b"two")], 8, 8)
    assert polled.appended.tolist() == [-1, -1]
    assert rows(followed(tmp_path / "a", 4).poll(0)) == [(4, b"two")]


def test_a_line_without_its_newline_is_waited_for_while_following(tmp_path: Path) -> None:
    write(tmp_path / "a", b"one\ntw")
    session = followed(tmp_path / "a")
    assert rows(session.poll(0)) == [(0, b"one")]
    assert session.poll(0) == []
    assert session.caught_up()
    assert next(iter(session.ends().values()))[:2] == (4, 4)
    write(tmp_path / "a", b"o\n")
    assert not session.caught_up()
    assert rows(session.poll(0)) == [(4, b"two")]


def test_a_last_line_without_its_newline_counts_where_nothing_more_is_written(tmp_path: Path) -> None:
    write(tmp_path / "a", b"one\ntwo")
    session = opened(tmp_path / "a", follow=False)
    session.seek(dict.fromkeys(session.fresh()))
    (polled,) = session.poll(10)
    assert (rows([polled]), polled.next_position, polled.read_at) == ([(0, b"one"), (4, b"two")], 7, 0)
    assert session.poll(10) == []


def test_empty_lines_are_no_messages(tmp_path: Path) -> None:
    write(tmp_path / "a", b"\n\none\n  \n\r\ntwo\n\n")
    session = followed(tmp_path / "a")
    assert all_rows(session) == [(2, b"one"), (11, b"two")]
    assert session.caught_up()


def test_a_missing_file_is_waited_for(tmp_path: Path) -> None:
    session = followed(tmp_path / "a")
    assert session.poll(0) == []
    write(tmp_path / "a", b"one\n")
    assert rows(session.poll(0)) == [(0, b"one")]


def test_a_rotated_file_is_read_to_its_end_before_its_successor(tmp_path: Path) -> None:
    write(tmp_path / "a", b"one\n")
    session = followed(tmp_path / "a")
    assert rows(session.poll(0)) == [(0, b"one")]
    write(tmp_path / "a", b"two\nlast")
    (tmp_path / "a").rename(tmp_path / "a.1")
    write(tmp_path / "a", b"new\n")
    assert all_rows(session) == [(4, b"two"), (8, b"last"), (0, b"new")]
    assert session.lost() == {}


def test_a_cut_file_is_read_anew_and_what_was_unread_is_said(tmp_path: Path) -> None:
    write(tmp_path / "a", b"one\n" * MOST_LINES + b"two\n")
    session = followed(tmp_path / "a")
    session.poll(0)
    write(tmp_path / "a", b"new\n", "wb")
    assert rows(session.poll(0)) == [(0, b"new")]
    assert session.lost() == {Partition(str(tmp_path / "a")): 1}
    assert session.lost() == {}


def test_a_stored_position_beyond_the_end_begins_anew(tmp_path: Path) -> None:
    write(tmp_path / "a", b"one\n")
    assert rows(followed(tmp_path / "a", 400).poll(0)) == [(0, b"one")]


def test_a_line_longer_than_a_message_may_be_is_one_message_cut_so_that_it_is_too_large(tmp_path: Path) -> None:
    write(tmp_path / "a", b"one\n" + b"x" * (2 * BLOCK + 5_000_000) + b"\ntwo\n")
    found = all_rows(followed(tmp_path / "a"))
    assert [(position, len(value or b"")) for position, value in found] == [(0, 3), (4, LONGEST), (2 * BLOCK + 5_000_005, 3)]


def test_a_poll_holds_at_most_10_000_lines_and_none_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a", b"".join(b"%d\n" % i for i in range(25_000)))
    session = followed(tmp_path / "a")
    polled = [session.poll(0) for _ in range(3)]
    assert [len(each.values) for part in polled for each in part] == [10_000, 10_000, 5_000]
    assert [value for part in polled for _, value in rows(part)] == [b"%d" % i for i in range(25_000)]


def test_a_session_goes_on_where_another_one_stopped_whatever_was_written_meanwhile(tmp_path: Path) -> None:
    write(tmp_path / "a", b"one\ntwo\nthr")
    (polled,) = followed(tmp_path / "a").poll(0)
    write(tmp_path / "a", b"ee\nfour\n")
    assert rows(followed(tmp_path / "a", polled.next_position).poll(0)) == [(8, b"three"), (14, b"four")]


def files(folder: Path, *contents: bytes) -> list[Path]:
    paths = [folder / f"{i}.jsonl" for i in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        write(path, content)
    return paths


def replayed(paths: Sequence[Path]) -> ReplaySession:
    session = ReplaySession(paths, source(paths[0]).format)
    OPENED.append(session)
    return session


def test_replayed_files_are_one_partition_whose_positions_count_through_all_files(tmp_path: Path) -> None:
    session = replayed(files(tmp_path, b"a\nb", b"", b"c\n\nd"))
    assert all_rows(session) == [(0, b"a"), (2, b"b"), (3, b"c"), (6, b"d")]
    assert session.caught_up()
    assert session.position() == session.end == 7


def test_replayed_lines_are_read_again_by_their_positions(tmp_path: Path) -> None:
    session = replayed(files(tmp_path, b"a\nb", b"c\n\nd"))
    (partition,) = session.assigned()
    assert rows(list(session.reread([Span(partition, 2, 3)]))) == [(2, b"b"), (3, b"c")]
    assert rows(list(session.reread([Span(partition, 6, 6)]))) == [(6, b"d")]
    assert session.owns(partition)


def test_a_replayed_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"gone\.jsonl"):
        replayed([tmp_path / "gone.jsonl"])


def test_lines_are_read_again_by_their_positions_until_the_file_is_cut(tmp_path: Path) -> None:
    write(tmp_path / "a", b"one\ntwo\nthree\n")
    here = source(tmp_path / "a")
    assert rows(list(here.reread([Span(here.partition, 4, 8)]))) == [(4, b"two"), (8, b"three")]
    os.truncate(tmp_path / "a", 5)
    with pytest.raises(Unavailable, match="is gone"):
        list(here.reread([Span(here.partition, 4, 8)]))
    assert here.owns(here.partition)
    assert not here.owns(Partition("another"))
