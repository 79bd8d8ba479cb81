"""websockets on trio: left out, for wscore's engine runs on asyncio."""

raise ImportError(
    "websockets.trio: wscore runs on asyncio, and not on trio; "
    'call wscore.compat.uninstall("websockets"), or use websockets.asyncio',
    name=__name__,
)
