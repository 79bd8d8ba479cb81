"""Chromium, and the servers that it talks to."""

from support.chat_pages import chat, chat_servers, open_page
from support.chromium import browser, server

__all__ = ["browser", "chat", "chat_servers", "open_page", "server"]
