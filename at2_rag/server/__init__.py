"""A server for a reader: OpenAI's chat completions with citations, and what a page needs.

It needs the extra ``serve``; what Model Context Protocol clients use needs the extra ``mcp``.
"""
