"""web3: calls, a subscription, and the iterator that connects again."""

from __future__ import annotations

import json
from typing import Any

SUBSCRIPTION = "0x1"
HEAD = {"number": "0x10", "hash": "0x" + "11" * 32}


async def service(connection: Any) -> None:
    async for message in connection:
        request = json.loads(message)
        method = request["method"]
        if method == "eth_chainId":
            await _answer(connection, request, "0x539")
        elif method == "eth_blockNumber":
            await _answer(connection, request, "0x2a")
        elif method == "eth_subscribe":
            await _answer(connection, request, SUBSCRIPTION)
            event = {"subscription": SUBSCRIPTION, "result": HEAD}
            note = {"jsonrpc": "2.0", "method": "eth_subscription", "params": event}
            await connection.send(json.dumps(note))
        elif method == "eth_unsubscribe":
            await _answer(connection, request, True)
        elif method == "web3_clientVersion":
            await connection.close(1012, "restart")
        else:
            await _answer(connection, request, None)


async def _answer(connection: Any, request: dict[str, Any], result: Any) -> None:
    await connection.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}))


async def program(url: str) -> None:
    from web3 import AsyncWeb3, WebSocketProvider

    async with AsyncWeb3(WebSocketProvider(url)) as w3:
        print("chain", await w3.eth.chain_id, "block", await w3.eth.block_number)
        subscription = await w3.eth.subscribe("newHeads")
        async for event in w3.socket.process_subscriptions():
            print("head", event["subscription"], event["result"]["number"])
            print("unsubscribed", await w3.eth.unsubscribe(subscription))
            break
        print("connected", await w3.provider.is_connected())
    print("connected", await w3.provider.is_connected())
    await _connect_again(url)
    await _refused(url)


async def _connect_again(url: str) -> None:
    """web3's documented pattern: the iterator gives a new connection after one was closed."""
    from web3 import AsyncWeb3, WebSocketProvider
    from websockets import ConnectionClosed

    rounds = 0
    async for w3 in AsyncWeb3(WebSocketProvider(url)):
        rounds += 1
        try:
            print("round", rounds, await w3.eth.chain_id)
            if rounds == 1:
                await w3.client_version
            else:
                await w3.provider.disconnect()
                break
        except ConnectionClosed as problem:
            print("closed", type(problem).__name__)


async def _refused(url: str) -> None:
    from web3 import AsyncWeb3, WebSocketProvider

    provider = WebSocketProvider("ws://127.0.0.1:9", max_connection_retries=2)
    try:
        await AsyncWeb3(provider).provider.connect()
    except Exception as problem:
        print("refused", type(problem).__name__)
