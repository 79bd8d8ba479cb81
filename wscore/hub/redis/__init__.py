"""Hubs of many nodes: publications travel through Redis or Valkey.

Nothing here is imported before a hub is given a URL; that needs the extra ``redis``. The modules,
from the server up to the hub; each uses only those of its own line and of the lines above it:

- ``wire``: one connection;
- ``target``, ``discovery``: which server a URL leads to, also by Sentinel and Cluster;
- ``keeper``, ``watch``, ``trouble``: a connection that is kept, checked, and complained about;
- ``outbox``, ``lane``, ``loading``: commands on their way to Redis;
- ``link``, ``subscriber``: publications that come from it;
- ``packet``, ``history``, ``script``: what nodes tell each other, and what Redis keeps;
- ``subscription``, ``room_log``, ``losses``: a room as this node has delivered it;
- ``appender``, ``reads``, ``census``: writing histories, reading them, counting members;
- ``broker``, ``presence``: the two parts that a hub asks for;
- ``partitions``, ``connecting``: all of it for each part of a Cluster, and put together.
"""
