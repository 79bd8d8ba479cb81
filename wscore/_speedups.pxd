# Exported at C level under the name and signature of aiohttp's own masking function, so that its
# compiled reader can be linked to this one (acceleration/aiohttp.py).
cpdef void _websocket_mask_cython(bytes mask, bytearray data)
