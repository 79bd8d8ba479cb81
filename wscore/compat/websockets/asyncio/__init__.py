"""The asyncio side: the engine of wscore under the names of websockets."""
