"""Counts words, so that the nearest texts can be told by eye; notes where it runs."""
import asyncio
import threading

WORDS = ("cat", "dog", "sun", "rain", "code")
threads = []


async def embed(texts):
    threads.append(threading.current_thread().name)
    await asyncio.sleep(0)
    if any("fail" in text for text in texts):
        raise RuntimeError("no key for the model")
    return [[float(text.count(word)) for word in WORDS] for text in texts]
