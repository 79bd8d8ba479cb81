"""Real servers for the tests of everything that talks to Redis."""

from support.redis import _shared_redis, fresh_redis, redis_server
from support.redis_many import redis_cluster, redis_sentinels

__all__ = ["_shared_redis", "fresh_redis", "redis_cluster", "redis_sentinels", "redis_server"]
