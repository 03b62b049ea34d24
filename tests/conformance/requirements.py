"""What clients are promised: each behaviour they can see, where it comes from, and its id.

The tests that prove a promise carry its id: `@pytest.mark.requirement("RUN-004")`. The test beside
this file fails for a promise without a test and for a test of a promise that nobody has made.
Sources are sections of the descriptions of the reference server ("core" and "platform");
where the promise is better than the reference, it is what this server does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Requirement:
    """A behaviour that clients rely on."""

    source: str
    promise: str


_R = Requirement

REQUIREMENTS: Mapping[str, Requirement] = {
    "HTTP-001": _R("core 0", "JSON is compact, UTF-8 and unescaped, whatever is in it."),
    "HTTP-002": _R("core 0", "The content type of a request does not matter."),
    "HTTP-003": _R("core 0", "Members of a body that the API does not know are ignored."),
    "HTTP-004": _R("core 0", 'Every error is `{"detail": sentence}` as JSON.'),
    "HTTP-005": _R(
        "core 0, 9.15", "An error nobody expected is a JSON 500, and the connection lives on."
    ),
    "HTTP-006": _R("core 0, platform 0", "An unknown route is 404."),
    "HTTP-007": _R("core 0, platform 0", "A wrong method is 405 and names the right ones."),
    "HTTP-008": _R("platform 0", "A slash too many leads to the route without it: 307."),
    "HTTP-009": _R("core 0, platform 0", "An id in a path that is no UUID is 422 and says so."),
    "HTTP-010": _R(
        "core 0, platform 0", "A body that is no JSON is 422 `Invalid JSON in request body`."
    ),
    "HTTP-011": _R("core 0", "A body that is wrong is 422 with a sentence that names the field."),
    "HTTP-012": _R(
        "core 0", "Pages tell how many there are in all, and where the next one begins."
    ),
    "HTTP-013": _R("core 9.2", "The SDK pages by these headers."),
    "HTTP-014": _R("core 9.8", "A list in a query is repeated, has commas, or both."),
    "HTTP-015": _R("core 2, 3", "A flag in a query is 1 or true; anything else is no."),
    "HTTP-016": _R("platform 8", "A body that is larger than the server takes is 413."),
    "HTTP-017": _R("core 0", "No body, however hostile, gets a 5xx or ends the connection."),
    "HTTP-018": _R("core 0", "`x-request-id` becomes `configurable.langgraph_request_id`."),
    "HTTP-019": _R(
        "core 3",
        "An `Idempotency-Key` that comes again gets the first answer; with another body it is 409.",
    ),
    "HTTP-020": _R("core 0", "Metadata and other text with NUL is shown with U+FFFD."),
    "CORS-001": _R("core 0", "Pages of any origin may call, unless the config says otherwise."),
    "CORS-002": _R(
        "core 9.18",
        "`Location`, `Content-Location` and the pagination headers can be read by pages.",
    ),
    "CORS-003": _R("platform 0, 12", "A page on the internet may call a server on this machine."),
    "CORS-004": _R(
        "platform 0", "Origins are allowed by name or by pattern; what is not allowed is refused."
    ),
    "VALUE-001": _R(
        "core 0", "Each kind of Python value has its one JSON form on every way to a client."
    ),
    "VALUE-002": _R("core 0", "An integer beyond 64 bits stays the number it is, both ways."),
    "VALUE-003": _R("core 0", "No value makes a run fail in being shown."),
    "VALUE-004": _R("core 0", "A value that cannot be stored fails its run by name."),
    "VALUE-005": _R("core 4", "Values of a graph need not be objects."),
    "ERROR-001": _R(
        "core 0",
        "Messages of errors of unknown classes are masked, those of the common ones are shown.",
    ),
    "DURABLE-001": _R("core 0", "What was acknowledged is there after a kill."),
    "DURABLE-002": _R("core 0", "Runs that a dead server left are taken up again."),
    "DURABLE-003": _R(
        "core 4.4", "A resumable stream goes on after a kill exactly where it was cut."
    ),
    "ASSISTANT-001": _R(
        "core 1", "Every graph has a system assistant whose id follows from the graph's."
    ),
    "ASSISTANT-002": _R(
        "core 1", "Configured descriptions and the order of the config show in system assistants."
    ),
    "ASSISTANT-003": _R("core 9.10", "A graph id stands for its assistant on every route."),
    "ASSISTANT-004": _R("core 1", "Creating stores what was given."),
    "ASSISTANT-005": _R(
        "core 1", "An id that is taken is 409, or the stored one with `do_nothing`."
    ),
    "ASSISTANT-006": _R("core 1", "`context` and `config.configurable` mirror each other."),
    "ASSISTANT-007": _R("core 1", "Both at once are 400."),
    "ASSISTANT-008": _R(
        "core 1",
        "Each update is a new version; metadata is merged, config and context are replaced.",
    ),
    "ASSISTANT-009": _R("core 1", "A new config without configurable leaves the context."),
    "ASSISTANT-010": _R("core 1", "A deleted assistant is gone; what runs of it is cancelled."),
    "ASSISTANT-011": _R("core 1", "`delete_threads` takes its threads with it."),
    "ASSISTANT-012": _R("core 1", "Search finds by name, graph and metadata, nested too."),
    "ASSISTANT-013": _R("core 1", "Search sorts by each member, both ways."),
    "ASSISTANT-014": _R("core 1", "Search shows the selected members only."),
    "ASSISTANT-015": _R(
        "core 1", "Versions are listed newest first, filtered and paged; an empty page is no error."
    ),
    "ASSISTANT-016": _R(
        "core 9.14", "`latest` makes an assistant again all that it was, context too."
    ),
    "ASSISTANT-017": _R("core 1", "A version that does not exist is 404."),
    "ASSISTANT-018": _R("core 1", "A graph is drawn as nodes and edges, conditional ones marked."),
    "ASSISTANT-019": _R(
        "core 1", "`xray` draws subgraphs, to a depth if it is a number; other values are 422."
    ),
    "ASSISTANT-020": _R("core 1", "Schemas of input, output, state, config and context are told."),
    "ASSISTANT-021": _R("core 1, platform 1.3", "`typing.TypedDict` has schemas on every Python."),
    "ASSISTANT-022": _R(
        "core 1", "Subgraphs are told by namespace; an unknown namespace has none."
    ),
    "ASSISTANT-023": _R("core 1", "Factories are told that they are only looked at."),
    "ASSISTANT-024": _R("core 1", "An assistant that does not exist is 404 on every route."),
    "THREAD-001": _R(
        "core 2", "A new thread is idle and empty, and has neither error nor interrupts."
    ),
    "THREAD-002": _R("core 2", "A run leaves its values, graph and assistant on its thread."),
    "THREAD-003": _R("core 2", "An id that is taken is 409, or the stored one with `do_nothing`."),
    "THREAD-004": _R("core 2", "Metadata is merged one level deep."),
    "THREAD-005": _R("core 2", "An empty patch touches `updated_at` only."),
    "THREAD-006": _R(
        "core 2", "A deleted thread is gone with its runs, not one row of it is left."
    ),
    "THREAD-007": _R("core 9.5", "Deleting a thread stops what runs on it."),
    "THREAD-008": _R("core 2", "A missing thread is 404."),
    "THREAD-009": _R(
        "core 2, 9.11", "A time to live is kept, shown with `include=ttl`, and ends the thread."
    ),
    "THREAD-010": _R(
        "core 2, 9.22",
        "Supersteps build a new thread's state; if they fail it is a 4xx, and there is no thread.",
    ),
    "THREAD-011": _R(
        "core 9.4",
        "A copy has the checkpoints, values, status and interrupts of its source, and no runs.",
    ),
    "THREAD-012": _R("core 9.4", "Copying a missing thread is 404."),
    "THREAD-013": _R("core 9.11", "Pruning deletes threads, or all but their latest checkpoints."),
    "THREAD-014": _R("core 2", "The storage of a thread is measured by channel."),
    "SEARCH-001": _R(
        "core 2", "Threads are found by metadata, values and status, contained deeply."
    ),
    "SEARCH-002": _R(
        "core 9.12", "Threads without values match no filter by values, and break nothing."
    ),
    "SEARCH-003": _R("core 2", "Ids narrow; no ids do not; a bad one is 400."),
    "SEARCH-004": _R("core 2", "The latest changed come first; every order works both ways."),
    "SEARCH-005": _R("core 2", "`select` shows only what is asked for."),
    "SEARCH-006": _R("core 2", "`extract` reads paths into each row; what is not there is null."),
    "SEARCH-007": _R("core 2", "A search that makes no sense is refused with a sentence."),
    "SEARCH-008": _R("core 2", "Counts are of all that match."),
    "STATE-001": _R("core 2.1", "A thread without a run has the empty state."),
    "STATE-002": _R(
        "core 2.1", "The state after a run has values, next, tasks, metadata and both checkpoints."
    ),
    "STATE-003": _R("core 2.1", "The state at a checkpoint shows the tasks that followed."),
    "STATE-004": _R("core 9.13", "A checkpoint that is not there is 404."),
    "STATE-005": _R("core 2.1", "`select` shows members of a state, or single values."),
    "STATE-006": _R("core 2.1", "An interrupt waits in the state and on the thread."),
    "STATE-007": _R("core 2.1", "Subgraphs' states are referred to, or shown with `subgraphs`."),
    "STATE-008": _R("core 2.1", "The state of a subgraph can be written."),
    "STATE-009": _R("core 2.1", "An update is written as if a node had."),
    "STATE-010": _R(
        "core 2.1", "An update that leaves work interrupts the thread, and a run goes on."
    ),
    "STATE-011": _R("core 2.1", "Answering an interrupt by an update clears it."),
    "STATE-012": _R("core 2.1", "An update forks from a checkpoint."),
    "STATE-013": _R(
        "core 2.1", "An update as `__input__` starts over; one without values is no error."
    ),
    "STATE-014": _R("core 2.1", "Updates that make no sense are refused and leave no checkpoint."),
    "STATE-015": _R(
        "core 2.1, 9.16", "A busy thread takes no update: 409, without internals in the sentence."
    ),
    "STATE-016": _R("core 2.1", "Updates that come at once are all kept."),
    "STATE-017": _R("core 9.20", "The values of a thread are those of its root graph."),
    "HISTORY-001": _R(
        "core 2.2", "History is newest first, one state unless a limit says otherwise."
    ),
    "HISTORY-002": _R("core 9.3", "`before` is an id, a reference or a config."),
    "HISTORY-003": _R("core 2.2", "Past states show what their tasks wrote."),
    "HISTORY-004": _R("core 2.2", "A history that makes no sense is refused."),
    "HISTORY-005": _R("core 2.2", "A thread without a run has no history."),
    "HISTORY-006": _R("core 2.2", "A subgraph has a history of its own."),
    "RUN-001": _R("core 3", "A run shows all that it was asked for."),
    "RUN-002": _R("core 3.1", "A created run is pending and tells where it is."),
    "RUN-003": _R("core 3.1", "A waiter is told at once where the result can be fetched again."),
    "RUN-004": _R("core 9.7", "The places that a stateless run names exist."),
    "RUN-005": _R(
        "core 3.1",
        "Runs of a thread are listed newest first, by page, status, metadata and members.",
    ),
    "RUN-006": _R("core 9.6", "A run that is not there is 404, also to who joins it."),
    "RUN-007": _R("core 9.6", "Joining an ended run gives what that run came to."),
    "RUN-008": _R("core 9.6", "Following an ended run gives its last values, or its error."),
    "RUN-009": _R("core 3.3", "A result is the values; with interrupts they are marked."),
    "RUN-010": _R(
        "core 3.3",
        "A failed run answers 200 with `__error__`; the SDK raises unless told otherwise.",
    ),
    "RUN-011": _R("core 3", "A thread that does not exist is made if the run asks for it."),
    "RUN-012": _R(
        "core 3.2", "A stateless run leaves nothing behind, or keeps its thread if asked."
    ),
    "RUN-013": _R("core 3.2", "A stateless run can ask but not be answered."),
    "RUN-014": _R("core 9.17", "`feedback_keys` and tracers do no harm."),
    "RUN-015": _R("core 5.4", "`durability` says how much of a run is kept."),
    "RUN-016": _R("core 3", "`after_seconds` lets a run begin later."),
    "RUN-017": _R(
        "core 3", "`interrupt_before` and `interrupt_after` stop a run, which can be gone on with."
    ),
    "RUN-018": _R("core 3.1", "A batch is created whole or not at all."),
    "RUN-019": _R("core 3", "A client may choose the id of a run."),
    "RUN-020": _R(
        "core 3.3", "Input to a finished, an interrupted or a new thread does what LangGraph does."
    ),
    "RUN-021": _R(
        "core 9.1",
        "A run starts because it is told to, and a queue behind one thread holds back no other.",
    ),
    "RUN-022": _R("core 9.19", "How a run ended is told where its status alone says too little."),
    "COMMAND-001": _R(
        "core 5.3", "An answer goes to the one who asked; several are answered by their ids."
    ),
    "COMMAND-002": _R("core 5.3", "A command updates, resumes and goes to nodes, all at once."),
    "COMMAND-003": _R("core 5.3", "Going elsewhere leaves the open question open."),
    "COMMAND-004": _R(
        "core 5.3", "Going to an unknown node, and an empty command, change nothing."
    ),
    "COMMAND-005": _R("core 5.3", "A command without anything known in it is 422."),
    "COMMAND-006": _R("core 5.3", "A thread that has not run has nothing to resume: 400."),
    "COMMAND-007": _R(
        "core 5.3", "With `strict_resume` an answer to no open question fails and changes nothing."
    ),
    "CANCEL-001": _R(
        "core 5.2", "A cancelled run is interrupted, keeps its steps and can be gone on with."
    ),
    "CANCEL-002": _R(
        "core 5.2, 9.5", "A run that is rolled back was never there, and its thread is not stuck."
    ),
    "CANCEL-003": _R("core 3.1", "With `wait` the answer comes when the run is over."),
    "CANCEL-004": _R("core 3.1", "What has ended or is not there cannot be cancelled: 404."),
    "CANCEL-005": _R("core 3.1", "Runs are cancelled by list or by status."),
    "CANCEL-006": _R("core 5.2", "A pending run is cancelled without having run."),
    "CANCEL-007": _R(
        "core 9.5",
        "Deleting a run stops it and takes its checkpoints; the thread goes on from before it.",
    ),
    "CANCEL-008": _R("core 4.3", "A client that goes takes its run with it only if it said so."),
    "CANCEL-009": _R(
        "core 5", "A run that takes too long is stopped with status timeout, and everybody is told."
    ),
    "CANCEL-010": _R(
        "core 9.19", "A cancel may say why; the run shows it, and who follows it is told."
    ),
    "MULTITASK-001": _R("core 5.1", "`reject` is 409 while anything is in flight."),
    "MULTITASK-002": _R("core 5.1", "`enqueue` waits, in order."),
    "MULTITASK-003": _R(
        "core 5.1", "`interrupt` and `rollback` take the place of all that run or wait."
    ),
    "MULTITASK-004": _R("core 5", "One run at a time on a thread, first in, first out."),
    "STATUS-001": _R(
        "core 5", "A thread is busy while runs wait or run, then idle, interrupted or in error."
    ),
    "STATUS-002": _R("core 5", "A good run clears the error of the one before."),
    "STATUS-003": _R("core 5", "A lost run is tried again, too often lost it ends as an error."),
    "FORK-001": _R("core 5.4", "A past checkpoint is gone on from, or changed first."),
    "FORK-002": _R("core 9.13", "A run from an unknown checkpoint is refused."),
    "STREAM-001": _R("core 4", "Lines end in CRLF; the first frame is the metadata."),
    "STREAM-002": _R("core 4", "Only frames of resumable runs have ids, each its own."),
    "STREAM-003": _R("core 4", "A stream or a waiter to which nothing happens is kept alive."),
    "STREAM-004": _R(
        "core 4", "An error is the last frame; the end of a cancelled run is just the end."
    ),
    "STREAM-005": _R("core 4.1", "`values` is the whole state after each step."),
    "STREAM-006": _R("core 4.1", "`updates` is what each node wrote."),
    "STREAM-007": _R("core 4.1", "`messages` grow token by token; others come complete."),
    "STREAM-008": _R("core 4.1", "`messages-tuple` is chunks with their metadata."),
    "STREAM-009": _R("core 4.1", "`custom` is what the graph said."),
    "STREAM-010": _R("core 4.1", "`tasks` tells of start and end."),
    "STREAM-011": _R(
        "core 4.1, 9.16", "`checkpoints` tells of each, without internals of the request."
    ),
    "STREAM-012": _R("core 4.1", "`debug` tells of checkpoints, tasks and results."),
    "STREAM-013": _R("core 4.1", "`events` are those of LangChain."),
    "STREAM-014": _R("core 4.1", "Several modes come in the order of what happens."),
    "STREAM-015": _R("core 4.1", "An interrupt shows in values and updates."),
    "STREAM-016": _R("core 4.2", "Subgraphs stream under their namespace if asked."),
    "STREAM-017": _R("core 4.2", "Tokens of a model in a subgraph are streamed."),
    "STREAM-018": _R(
        "core 4.4", "A resumable stream goes on behind `Last-Event-ID`, exactly once, in order."
    ),
    "STREAM-019": _R(
        "core 4.4", "Who joins without an id gets what comes; a pending run from its beginning."
    ),
    "STREAM-020": _R("core 4.4", "A joiner chooses among the modes of the run."),
    "STREAM-021": _R(
        "core 4.4", "A run that keeps no events is joined from now on, whatever one asks for."
    ),
    "STREAM-022": _R("core 4.4", "A stream cut at every event and rejoined is whole."),
    "STREAM-023": _R("core 4", "A slow reader costs bounded memory and holds up nobody."),
    "TSTREAM-001": _R("core 4.5", "The thread stream shows each run as it comes, and closes it."),
    "TSTREAM-002": _R("core 4.5", "Its modes choose what is shown, others are 422."),
    "TSTREAM-003": _R("core 9.21", "A missing thread is 404."),
    "TSTREAM-004": _R(
        "core 9.9", "Each frame has an id of its own; a reader cut anywhere gets exactly the rest."
    ),
    "TSTREAM-005": _R("core 4.5", "Who asks for everything gets what is stored, then what comes."),
    "TSTREAM-006": _R("core 4.5", "A quiet thread is kept alive; the stream ends with its thread."),
    "CONFIG-001": _R(
        "core 6", "The request goes over the thread, and the thread over the assistant."
    ),
    "CONFIG-002": _R("core 6", "A client cannot pass for the server in configurable."),
    "CONFIG-003": _R("core 6", "A node is told where it runs."),
    "CONFIG-004": _R(
        "core 6", "Configurable and context are two names of one thing; both are 400."
    ),
    "CONFIG-005": _R("core 6", "The config of a thread follows its runs, unless it is busy."),
    "CONFIG-006": _R(
        "core 6", "An assistant configures the runs that use it, in its current version."
    ),
    "CONFIG-007": _R(
        "core 6", "Graphs and factories of every form load, and get what they ask for."
    ),
    "CONFIG-008": _R("core 6", "A graph that fails to load stops no other, and says why."),
    "CONFIG-009": _R("core 6", "Graphs and the API share one store."),
    "CONFIG-010": _R(
        "core 6", "The SDK's client without a URL reaches this server from inside a graph."
    ),
    "CLIENT-001": _R("core 9", "The SDK, sync and async, does all of its calls."),
    "CLIENT-002": _R(
        "core 9",
        "`RemoteGraph` invokes, streams, reads and writes state, and is a node of another graph.",
    ),
    "CLIENT-003": _R("core 9", "Older versions of the SDK do all that they know."),
    "CLIENT-004": _R("core 9", "The JavaScript SDK does all of its calls."),
    "CLIENT-005": _R("core 9", "The field's chat pages work as they are."),
    "STORE-001": _R("platform 3.1", "An item has namespace, key, value and its times."),
    "STORE-002": _R("platform 3.2", "The SDK puts, gets, searches, lists and deletes."),
    "STORE-003": _R("platform 3.2", "A replaced item keeps its creation time."),
    "STORE-004": _R(
        "platform 3.2", "Items are deleted by query and by body; deleting again is no error."
    ),
    "STORE-005": _R("platform 3.2", "Namespaces are listed by prefix, suffix, depth and page."),
    "STORE-006": _R("platform 3.3", "What makes no sense is refused with a JSON sentence."),
    "STORE-007": _R("platform 3.3", "A search without a prefix searches everything."),
    "STORE-008": _R("platform 3.3", "Reading creates nothing."),
    "STORE-009": _R(
        "platform 3.4", "Filters compare by equality and by operators; a missing field is no error."
    ),
    "STORE-010": _R("platform 3.5", "A query sorts by meaning, where there is an index."),
    "STORE-011": _R(
        "platform 3.6",
        "A time to live ends an item; reading lets it begin anew unless told otherwise.",
    ),
    "STORE-012": _R("platform 3.6", "Items live as long as the config says unless they say it."),
    "AUTH-001": _R(
        "platform 7.1",
        "Only probes, facts, metrics and the documentation are open; the rest needs a caller.",
    ),
    "AUTH-002": _R("platform 7.1", "Without a valid key there is only 401."),
    "AUTH-003": _R(
        "platform 7.1",
        "The handler's refusal is the answer, with its status, sentence and headers.",
    ),
    "AUTH-004": _R("platform 7.1", "A user without identity is 400, a broken handler 500."),
    "AUTH-005": _R("platform 7.1", "The graph gets the whole user, and nobody else does."),
    "AUTH-006": _R("platform 7.2", "What a handler writes into the value is done."),
    "AUTH-007": _R("platform 7.2", "Filters choose rows; what they hide looks absent."),
    "AUTH-008": _R("platform 7.2", "False and a failed assertion forbid: 403."),
    "AUTH-009": _R(
        "platform 7.2", "An owner filter hides system assistants, which can be run all the same."
    ),
    "AUTH-010": _R("platform 7.2", "The store is entered where the handler says."),
    "AUTH-011": _R("platform 7.3", "Studio's header opens nothing."),
    "AUTH-012": _R("platform 7.1", "Calls from inside a graph are made as the user of the run."),
    "AUTH-013": _R("platform 7.1", "Public routes can be closed by a setting."),
    "SYSTEM-001": _R(
        "core 0, platform 8", "`/` and `/ok` say that the server is well, to HEAD too."
    ),
    "SYSTEM-002": _R("core 0, platform 8", "`/info` has the members of the reference and our own."),
    "SYSTEM-003": _R("platform 8", "`/info` tells every capability as a truth."),
    "SYSTEM-004": _R("platform 8", "`/metrics` is Prometheus text, or the reference's JSON."),
    "SYSTEM-005": _R("platform 1.2, 8", "What is switched off is gone; probes are left."),
    "SYSTEM-006": _R(
        "platform 1.2", "Below a prefix all routes answer, and probes at the root too."
    ),
    "SYSTEM-007": _R("platform 8", "Requests leave a record where it is wanted."),
    "SYSTEM-008": _R(
        "platform 2.4", "While graphs load, probes and facts answer, and the rest waits."
    ),
    "OPENAPI-001": _R("platform 8", "Every operation of the field is described."),
    "OPENAPI-002": _R(
        "platform 8", "Operations and schemas have the names that generated clients know."
    ),
    "OPENAPI-003": _R("platform 8", "The document is valid OpenAPI 3.1, without loose ends."),
    "OPENAPI-004": _R("core 0", "Every error is documented in its one shape."),
    "OPENAPI-005": _R("platform 1.2", "What is switched off is not described."),
    "OPENAPI-006": _R(
        "platform 1.2", "Below a prefix the document names the prefix as its server."
    ),
    "OPENAPI-007": _R(
        "platform 7", "With authentication the document tells how to identify oneself."
    ),
    "OPENAPI-008": _R("platform 1.2", "The project says how its own authentication works."),
    "OPENAPI-009": _R(
        "platform 8",
        "No request, right or wrong, gets an answer that the document does not know, or a 5xx.",
    ),
    "OPENAPI-010": _R("platform 8", "A body that the document allows is not refused as wrong."),
    "DOCS-001": _R("platform 8", "The page about the API is whole without any other server."),
    "DOCS-002": _R("platform 12", "The page may ask nobody else, and runs no foreign script."),
    "DOCS-003": _R(
        "platform 7.1", "With authentication the page is public unless it is protected."
    ),
    "PROTOCOL-001": _R(
        "platform 9.2",
        "A command is answered by its id, with a result or with a code and a sentence.",
    ),
    "PROTOCOL-002": _R("platform 9.2", "What is no command is 400 `invalid_argument`."),
    "PROTOCOL-003": _R(
        "platform 9.2",
        "`run.start` needs no thread; the input to a thread that waits is the answer.",
    ),
    "PROTOCOL-004": _R("platform 9.2", "`input.respond` answers an interrupt, once."),
    "PROTOCOL-005": _R(
        "platform 9.2, 12.9",
        "`state.get`, `state.listCheckpoints`, `state.fork` and `input.inject` work.",
    ),
    "PROTOCOL-006": _R(
        "platform 9.3",
        "Channels, namespaces and depth choose what is shown; unknown channels are 400.",
    ),
    "PROTOCOL-007": _R(
        "platform 9.4, 12.9",
        "Events replay with their numbers and ids, over restarts too; `since` leaves out the seen.",
    ),
    "PROTOCOL-008": _R(
        "platform 9.5, 9.7", "Updates, custom, tasks and checkpoints flow for ordinary graphs."
    ),
    "PROTOCOL-009": _R("platform 9.5, 12.9", "A question carries both `payload` and `value`."),
    "PROTOCOL-010": _R("platform 9.1", "The SDK drives a session over SSE and over a WebSocket."),
    "PROTOCOL-011": _R(
        "platform 9.6", "A session with an interrupt has its events in their order."
    ),
}
