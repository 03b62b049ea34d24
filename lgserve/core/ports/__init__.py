"""What lgserve needs from the outside; each docstring is the contract an adapter must keep.

A unit of work is a plain function of a `Transaction`. Storage runs it (on SQLite in the one writer
thread, many in one commit; elsewhere in a transaction of its own) and answers when it is durable.
So a use case that reads, decides and writes is one function, and cannot be interrupted half-way.

`scope` is a required argument of every read and write of rows that have an owner: a metadata object
that a row must contain to be seen. `EVERYTHING` sees all.
"""

from lgserve.core.ports.a2a import A2aTasks
from lgserve.core.ports.assistants import Assistants
from lgserve.core.ports.auth import ApiKeys, Authenticator
from lgserve.core.ports.checkpoints import Checkpointers, RunSaver, ThreadMover
from lgserve.core.ports.clock import Clock
from lgserve.core.ports.crons import CronAlarm, Crons
from lgserve.core.ports.execution import UserLoop, Worker
from lgserve.core.ports.graphs import Graphs, GraphViews
from lgserve.core.ports.runs import HearsOfEnds, RunEvents, RunRequests, Runs
from lgserve.core.ports.storage import Statistics, Storage, Transaction
from lgserve.core.ports.streams import Follower, RunLog, RunStreams, ThreadFollower
from lgserve.core.ports.threads import Threads
from lgserve.core.ports.webhooks import WebhookAlarm, Webhooks

__all__ = [
    "A2aTasks",
    "ApiKeys",
    "Assistants",
    "Authenticator",
    "Checkpointers",
    "Clock",
    "CronAlarm",
    "Crons",
    "Follower",
    "GraphViews",
    "Graphs",
    "HearsOfEnds",
    "RunEvents",
    "RunLog",
    "RunRequests",
    "RunSaver",
    "RunStreams",
    "Runs",
    "Statistics",
    "Storage",
    "ThreadFollower",
    "ThreadMover",
    "Threads",
    "Transaction",
    "UserLoop",
    "WebhookAlarm",
    "Webhooks",
    "Worker",
]
