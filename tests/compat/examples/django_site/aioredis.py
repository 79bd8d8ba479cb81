"""aioredis became part of redis; itself it does not run on Python 3.11 and later."""

from redis.asyncio import from_url

__all__ = ["from_url"]
