"""A MessageQueue or Dispatcher without a transport: reads are put in, what is written is kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from support import oracles
from support.feeding import KEY
from support.loops import LOOPS
from support.oracles import WireFrame
from wscore.aio.loop import running_task

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import ModuleType

TEXT, BINARY = 1, 2
READ_SIZE = 4096


class Wire:
    """A reader, an attached writer, and as the transport what was written: payloads by write."""

    def __init__(self, backend: ModuleType, fileno: Callable[[], int] | None = None) -> None:
        buffer = backend.ReadBuffer(READ_SIZE)
        self.reader = backend.MessageReader(masked=True, buffer=buffer)
        self.writer = backend.FrameWriter(masked=False)
        self.written: list[bytes] = []
        self.gathers = 0
        self.writer.attach(buffer, self, self, fileno)

    def write_soon(self) -> None:
        self.gathers += 1

    def write_all(self, pieces: list[Any]) -> None:
        self.written.append(b"".join(pieces))

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def writes(self) -> list[list[bytes]]:
        return [[frame.payload for frame in oracles.decode(data)] for data in self.written]

    def bring(self, data: bytes) -> int:
        """Have *data* in the reader's buffer, as a transport does."""
        self.reader.get_buffer()[: len(data)] = data
        return len(data)


def encoded(*messages: str | bytes | WireFrame) -> bytes:
    return b"".join(
        oracles.encode(
            message._replace(mask=KEY)
            if isinstance(message, WireFrame)
            else WireFrame(TEXT, message.encode(), mask=KEY)
            if isinstance(message, str)
            else WireFrame(BINARY, message, mask=KEY)
        )
        for message in messages
    )


class Rig(Wire):
    """A queue on a loop; its hooks and what the test's tasks do stand in ``log``, in order."""

    def __init__(
        self,
        backend: ModuleType,
        loop: asyncio.AbstractEventLoop,
        fileno: Callable[[], int] | None = None,
        run_once: object = None,
    ) -> None:
        super().__init__(backend, fileno)
        self.loop = loop
        self.log: list[Any] = []
        self.refusals: list[Exception] = []
        done = loop.create_future()
        done.set_result(None)
        self.done = done
        log, refusals = self.log, self.refusals

        class Queue(backend.MessageQueue):  # type: ignore[misc,name-defined]
            def before_reading(self) -> None:
                log.append("before_reading")

            def receive(self, events: list[Any], nbytes: int, mixed: bool) -> None:
                log.append(("receive", events, nbytes, mixed))

            def before_waiting(self) -> None:
                log.append("before_waiting")
                if refusals:
                    raise refusals.pop()

            def gather_answers(self) -> None:
                log.append("gather_answers")

            def give_way(self) -> None:
                log.append("give_way")

        self.queue = Queue(self.reader, self.writer, loop, done, running_task, run_once)

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        # From Python 3.14 on asyncio's own timeouts do not find tasks that are written in Python.
        task = self.loop.create_task(main)
        late = self.loop.call_later(20, task.cancel)
        try:
            return self.loop.run_until_complete(task)
        finally:
            late.cancel()

    def read(self, *messages: Any) -> None:
        """What the transport does with a read that brings *messages*."""
        self.queue.updated(self.bring(encoded(*messages)))

    @property
    def in_python(self) -> bool:
        """Whether the class of its tasks is written in Python."""
        return self.loop.get_task_factory() is python_task

    async def in_callback(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call *function* while no task runs; what it returns or raises."""
        called = self.loop.create_future()

        def call() -> None:
            try:
                called.set_result(function(*arguments))
            except Exception as error:
                called.set_exception(error)

        self.loop.call_soon(call)
        return await called

    async def reading(self, *messages: Any) -> None:
        await self.in_callback(self.read, *messages)

    async def next(self) -> Any:
        while (message := self.queue.take()) is None:
            await self.queue
        return message

    async def take(self, count: int) -> None:
        for _ in range(count):
            self.log.append(await self.next())

    async def waiter(self, taking: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task that runs *taking*, and waits by now."""
        task = asyncio.ensure_future(taking)
        await asyncio.sleep(0)
        assert self.queue.awaited
        return task

    def read_between(self, *messages: Any) -> None:
        """A read, with what comes right before and after it, and in the next turn, in the log."""
        self.log.append("before")
        self.loop.call_soon(self.log.append, "next turn")
        self.read(*messages)
        self.log.append("after")


def python_task(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
    """A task factory."""
    return asyncio.tasks._PyTask(coro, loop=loop, **options)  # type: ignore[attr-defined]


# Fixtures, which a module that uses them takes by their names.


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop of each kind; tasks that a failing test has left are cancelled."""
    loop = LOOPS[request.param]()
    yield loop
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left))
    loop.close()


@pytest.fixture(params=["C", "Python", "debug"])
def rig(
    request: pytest.FixtureRequest, backend: ModuleType, loop: asyncio.AbstractEventLoop
) -> Rig:
    """A queue under tasks of either kind, and in asyncio's debug mode."""
    if request.param == "Python":
        loop.set_task_factory(python_task)
    loop.set_debug(request.param == "debug")
    return Rig(backend, loop)
