"""What travels between a process and its child: a pickle, and the arrays that it refers to, which are neither pickled nor copied where they lie.

A message is two numbers, how many parts follow and how many are shared; the length of each part, place and length of each shared one; then the parts, of
which the first is the pickle. A number is eight bytes, big-endian. Parts that are shared lie in a file without a name (memfd) whose descriptor comes over a
socket beside: megabytes through a pipe are many turns of both sides, each of which waits for a processor.
"""

import mmap
import os
import pickle
import socket
from collections.abc import Sequence
from io import BufferedReader

LENGTH = 8
Parts = list[bytearray | memoryview]
_SHARED_FROM = 1 << 18
_ALIGNED = 64
_PIECE = 1 << 30


def written(value: object, beside: socket.socket | None = None) -> list[memoryview]:
    """*value* as what goes over the pipe. With a socket *beside*, many bytes of arrays are shared, and their descriptor is sent over it at once."""
    buffers: list[pickle.PickleBuffer] = []
    body = memoryview(pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL, buffer_callback=buffers.append))
    arrays = [each.raw() for each in buffers]
    if beside is None or not hasattr(os, "memfd_create") or sum(each.nbytes for each in arrays) < _SHARED_FROM:
        return [_head([body, *arrays], []), body, *arrays]
    places, end = [], 0
    for each in arrays:
        places.append((end, each.nbytes))
        end += -(-each.nbytes // _ALIGNED) * _ALIGNED
    _share(arrays, [start for start, _ in places], beside)
    return [_head([body], places), body]


def read(stream: BufferedReader, beside: socket.socket) -> Parts:
    """The next message's parts; EOFError at the end of *stream*."""
    count, shared = _numbers(_bytes(stream, 2 * LENGTH))
    sizes = _numbers(_bytes(stream, count * LENGTH))
    places = _numbers(_bytes(stream, 2 * shared * LENGTH))
    found: Parts = [_bytes(stream, size) for size in sizes]
    if places:
        _, (descriptor,), _, _ = socket.recv_fds(beside, 1, 1)
        try:
            # the file is this message's alone, so nobody else sees what is written to an array here; all pages at once are quicker than one by one
            pages = memoryview(mmap.mmap(descriptor, 0, flags=mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)))
        finally:
            os.close(descriptor)
        found += [pages[start : start + size] for start, size in zip(places[::2], places[1::2], strict=True)]
    return found


def value_of(parts: Sequence[bytearray | memoryview]) -> object:
    """What was written."""
    return pickle.loads(parts[0], buffers=parts[1:])  # noqa: S301  the other end is ours


class Incoming:
    """A message without shared parts as it comes in, read by read."""

    def __init__(self) -> None:
        self._parts = [bytearray(2 * LENGTH)]
        self._at, self._filled = 0, 0

    @property
    def whole(self) -> bool:
        """All of it has come."""
        return self._at == len(self._parts)

    @property
    def parts(self) -> list[bytearray]:
        """Without the head."""
        return self._parts[2:]

    def read(self, pipe: int) -> None:
        """What the pipe has, up to the end of the part that is being filled; EOFError at its end."""
        more = os.readv(pipe, [memoryview(self._parts[self._at])[self._filled :]])
        if not more:
            raise EOFError
        self._filled += more
        while self._at < len(self._parts) and self._filled == len(self._parts[self._at]):
            self._next()

    def _next(self) -> None:
        numbers, self._filled = _numbers(self._parts[self._at]) if self._at < 2 else [], 0
        self._parts += [bytearray(numbers[0] * LENGTH)] if self._at == 0 else [bytearray(size) for size in numbers]
        self._at += 1


def _share(arrays: Sequence[memoryview], starts: Sequence[int], beside: socket.socket) -> None:
    descriptor = os.memfd_create("watchtower")
    try:
        os.ftruncate(descriptor, starts[-1] + max(1, arrays[-1].nbytes))
        for array, start in zip(arrays, starts, strict=True):
            at = 0
            while at < array.nbytes:
                at += os.pwrite(descriptor, array[at : at + _PIECE], start + at)
        socket.send_fds(beside, [b"."], [descriptor])
    finally:
        os.close(descriptor)


def _head(parts: Sequence[memoryview], places: Sequence[tuple[int, int]]) -> memoryview:
    numbers = [len(parts), len(places), *(each.nbytes for each in parts), *(number for place in places for number in place)]
    return memoryview(b"".join(number.to_bytes(LENGTH, "big") for number in numbers))


def _numbers(found: bytearray) -> list[int]:
    return [int.from_bytes(found[at : at + LENGTH], "big") for at in range(0, len(found), LENGTH)]


def _bytes(stream: BufferedReader, size: int) -> bytearray:
    found = bytearray(size)
    view, at = memoryview(found), 0
    while at < size:
        more = stream.readinto(view[at:])
        if not more:
            raise EOFError
        at += more
    return found
