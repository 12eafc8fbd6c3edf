import asyncio
import socket

from nmt.server.run import _bind


def test_an_answer_is_sent_at_once_and_not_held_back_for_more() -> None:
    async def accepted() -> int:
        """What the socket of a connection says of Nagle's algorithm."""
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            its = writer.get_extra_info("socket")
            found.set_result(its.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = _bind("127.0.0.1", 0)
        async with await asyncio.start_server(answer, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            given = await found
            writer.close()
            await writer.wait_closed()
        return given

    assert asyncio.run(accepted())
