"""A thin client for servers that speak OpenAI's chat protocol.

What a language model says is data: it is validated by whoever asked. Here are transport, budget,
structured output, and the record of every exchange, from which a run is replayed without a server.
"""
