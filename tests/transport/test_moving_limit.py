import asyncio

from modelmesh_core.transport.moving_limit import MovingLimit


async def rings(*moves: float | None) -> float | None:
    """When the limit passes that is moved every 10 ms, to so many seconds after the beginning; None if it does not."""
    loop = asyncio.get_running_loop()
    passed: asyncio.Future[float] = loop.create_future()
    began = loop.time()
    limit = MovingLimit(loop, lambda: passed.set_result(loop.time() - began))
    for seconds in moves:
        limit.set(None if seconds is None else began + seconds)
        await asyncio.sleep(0.01)
    try:
        async with asyncio.timeout(0.3):
            return await passed
    except TimeoutError:
        return None
    finally:
        limit.close()


async def test_it_passes_where_it_was_set_last_and_only_once():
    assert 0.09 <= (await rings(0.1) or 0) < 0.2
    assert 0.09 <= (await rings(0.05, 0.1) or 0) < 0.2  # later
    assert 0.04 <= (await rings(5.0, 0.05) or 0) < 0.15  # earlier
    assert 0.09 <= (await rings(0.05, None, 0.1) or 0) < 0.2


async def test_it_does_not_pass_when_it_was_lifted_or_lies_ahead():
    assert await rings(0.05, None) is None
    assert await rings(0.05, 5.0) is None
