"""A server that answers: whatever speaks OpenAI's /v1/chat/completions."""

import asyncio
import hashlib
import logging
import re
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import unquote

from whet.engines._address import Address
from whet.engines._aside import aside
from whet.engines._refusals import Failure, listed, missing, plain, refused, told, unreached
from whet.engines._said import Pieces, parsed, said_by, strange, usage_of
from whet.engines._spent import Spent
from whet.errors import UsageError
from whet.types import Delta, Prompt, Reply, Sampling

CONNECT_S = 10.0
T = TypeVar("T")

# At its most talkative it writes down every header of an answer, also a key that a server sends back.
logging.getLogger("httpcore2").setLevel(logging.INFO)


class Endpoint:
    """Answers by asking an OpenAI-compatible server, several prompts at a time.

    The key comes from $WHET_API_KEY, else $OPENAI_API_KEY, is looked up for every call and kept nowhere; over plain
    http it is sent to this machine alone. Redirects are not followed. Proxies of the environment are used, but never
    to reach this machine. What was refused for a while (408, 409, 429, 5xx, no connection) is asked again, later every
    time or when the server says (Retry-After); what timed out is not, for it may have been answered and paid for.

    Args:
        url: as far as /chat/completions, with http or https: http://localhost:8000/v1.
        model: the server's name for the model.
        concurrency: requests on their way at a time.
        timeout_s: for one prompt, all tries and waits together.
        retries: tries after the first.

    Raises:
        UsageError: the URL has a user, password or query, or a key would be sent over plain http; or the `openai`
            package is not installed.
    """

    def __init__(
        self, url: str, model: str, *, concurrency: int = 8, timeout_s: float = 600.0, retries: int = 4
    ) -> None:
        self._address = Address.of(url)
        self.url = self._address.url
        self.model, self.concurrency, self.timeout_s, self.retries = model, max(1, concurrency), timeout_s, retries
        self.between: Callable[[], None] = lambda: None  # called before every reply and while waiting; may raise
        self.spent = Spent()
        self.remarks: list[str] = []  # what a person should be told, each once
        self._address.key()
        _openai()

    def __repr__(self) -> str:
        return f"Endpoint({self.url + '#' + self.model!r})"

    def complete(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, log_loss: bool = False
    ) -> Iterator[tuple[int, Reply]]:
        """Yield (index, reply) as replies come; `seconds` is from the question to its reply, tries and waits included.

        `log_loss` stays None: a chat endpoint does not tell it. Where the server says no token counts they are 0, and
        `remarks` says so. The seed sent for a prompt depends on the sampling's, on its source and on its number among
        prompts of that source. Closing the generator cancels what is on its way.

        Raises:
            UsageError: the sampling has choices.
            EndpointError: after all replies that came: some prompts got none. A failure that others would share (a
                wrong key, no such model, no connection) keeps those that wait from being asked.
        """
        _free(sampling)
        rows, seen = list[tuple[Prompt, int]](), Counter[str]()
        for prompt in prompts:
            rows.append((prompt, _seed(sampling, prompt.source, seen[prompt.source])))
            seen[prompt.source] += 1

        async def work(hand: Callable[[tuple[int, Reply]], None]) -> None:
            waiting, unasked = deque(range(len(rows))), list[int]()
            failures: list[tuple[int, Failure]] = []

            async def worker() -> None:
                while waiting:
                    at = waiting.popleft()
                    got = await self._ask(client, self._body(rows[at][0], sampling, rows[at][1]))
                    if isinstance(got, Reply):
                        hand((at, got))
                        continue
                    failures.append((at, got))
                    if got.stopping:
                        unasked.extend(waiting)
                        waiting.clear()

            async with self._client() as client, asyncio.TaskGroup() as group:
                for _ in range(min(self.concurrency, len(rows))):
                    group.create_task(worker())
            if failures:
                named = [(rows[at][0].source, failure) for at, failure in sorted(failures, key=lambda pair: pair[0])]
                raise told(self.url, named, len(rows), len(unasked))

        return aside(work, self._look)

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[Delta]:
        """Yield the pieces of one reply as they come; tool calls come whole, at its end.

        Closing the generator cancels the request. What broke off after its first piece is not asked again.

        Raises:
            UsageError: the sampling has choices.
            EndpointError: there was no reply, or not all of it.
        """
        _free(sampling)
        body = self._body(prompt, sampling, _seed(sampling, prompt.source, 0))
        body |= {"stream": True, "stream_options": {"include_usage": True}}

        async def work(hand: Callable[[Delta], None]) -> None:
            async with self._client() as client:
                failure = await self._follow(client, body, hand)
            if failure:
                raise told(self.url, [(prompt.source, failure)], 1, 0)

        return aside(work, self._look)

    def models(self) -> list[str]:
        """Return the names of the models that the server has.

        Raises:
            EndpointError: it cannot be reached, or lists none.
        """

        async def work(hand: Callable[[list[str] | Failure], None]) -> None:
            async with self._client() as client:
                hand(await self._guarded(client, self._list(client)))

        (names,) = aside(work, self._look)
        if isinstance(names, Failure):
            raise told(self.url, [("", names)], 1, 0)
        return names

    def _look(self) -> None:
        self.between()  # whatever it is by now

    def _client(self) -> Any:
        """Return a new client, to be used within one event loop."""
        openai = _openai()
        key, _ = self._address.key()

        async def sent(request: Any) -> None:
            self.spent.add(requests=1, unpriced=int(request.method == "POST"))
            if not key:
                request.headers.pop("authorization", None)
            if not self._address.official:  # the client takes these from the environment, whoever the server is
                for name in ("openai-organization", "openai-project"):
                    request.headers.pop(name, None)

        async def answered(response: Any) -> None:
            if response.status_code >= 300 and response.request.method == "POST":
                self.spent.add(unpriced=-1)  # a refusal costs no tokens

        return openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=self.url,
            max_retries=self.retries,
            timeout=openai.Timeout(None, connect=CONNECT_S),  # the whole has its own
            http_client=openai.DefaultAsyncHttpxClient(
                follow_redirects=False,
                event_hooks={"request": [sent], "response": [answered]},
                timeout=openai.Timeout(None, connect=CONNECT_S),
                mounts={"http://": None, "https://": None, "all://": None} if self._address.local else None,  # no proxy
            ),
        )

    def _body(self, prompt: Prompt, sampling: Sampling, seed: int) -> dict[str, Any]:
        """Return a request. OpenAI itself has another name for the most tokens than all others understand."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [message.as_dict() for message in prompt.messages],
            "temperature": sampling.temperature,
            "max_completion_tokens" if self._address.official else "max_tokens": sampling.max_tokens,
            "seed": seed,
        }
        if sampling.top_p < 1:
            body["top_p"] = sampling.top_p
        if prompt.tools:
            body["tools"] = [dict(tool) for tool in prompt.tools]
        return body

    async def _guarded(
        self, client: Any, asked: Awaitable[T | Failure], begun: Callable[[], bool] = lambda: False
    ) -> T | Failure:
        """Return what was asked for, or why it cannot be had."""
        import httpx2

        openai = _openai()
        key, name = self._address.key()
        try:
            async with asyncio.timeout(self.timeout_s):
                return await asked
        except TimeoutError:
            return Failure(f"no whole reply within {self.timeout_s:g} s; give it longer, or fewer at a time")
        except openai.APIStatusError as error:
            status, content, headers = error.status_code, error.response.content, error.response.headers
        except (openai.APIConnectionError, httpx2.RequestError) as error:
            return unreached(error, begun())
        except openai.APIError as error:
            return Failure(f'the server broke off: "{plain(error.message, key)}"; look at its log and ask again')
        except UnicodeEncodeError:
            return Failure("holds half of a character (a lone surrogate), which no request can carry; repair the row")
        except ValueError:  # a piece of a stream
            return strange("what is not JSON", key)
        if status == 404:
            return missing(self.model, await self._names(client), content, key)
        return refused(status, content, headers, key, name)

    async def _names(self, client: Any) -> list[str] | None:
        """Return the models that the server lists, None where it lists none."""
        openai = _openai()
        try:
            async with asyncio.timeout(self.timeout_s):
                found = await self._list(client)
        except (openai.APIError, TimeoutError):
            return None
        return None if isinstance(found, Failure) else found

    async def _list(self, client: Any) -> list[str] | Failure:
        key, _ = self._address.key()
        answer = parsed((await client.models.with_raw_response.list()).content, key)
        if isinstance(answer, Failure):
            return answer
        models = answer.get("data")
        if not isinstance(models, list) or not all(isinstance(one, dict) and "id" in one for one in models):
            return Failure("the answer is no list of models; name the model after a # at the end of the URL", True)
        return [str(one["id"]) for one in models]

    async def _ask(self, client: Any, body: dict[str, Any]) -> Reply | Failure:
        begin = time.perf_counter()
        raw: Any = await self._guarded(client, client.chat.completions.with_raw_response.create(**body))
        if isinstance(raw, Failure):
            return raw
        key, _ = self._address.key()
        answer = parsed(raw.content, key)
        if isinstance(answer, Failure):
            return answer
        prompt_tokens, completion_tokens = self._count(usage_of(answer))
        said = said_by(answer, key)
        if isinstance(said, Failure):
            return said
        text, finish = said
        return Reply(text, finish, prompt_tokens, completion_tokens, time.perf_counter() - begin)

    async def _follow(self, client: Any, body: dict[str, Any], hand: Callable[[Delta], None]) -> Failure | None:
        """Hand over the pieces of one reply and return why it is not whole, if it is not."""
        pieces = Pieces(self._address.key()[0])

        async def whole() -> Failure | None:
            async with await client.chat.completions.create(**body) as chunks:
                async for chunk in chunks:
                    new = pieces.add(chunk.to_dict()) if hasattr(chunk, "to_dict") else strange(str(chunk), None)
                    if isinstance(new, Failure):
                        return new
                    if new:
                        hand(Delta(new))
            return None

        failure = await self._guarded(client, whole(), lambda: bool(pieces.content))
        if failure is None or pieces.usage:
            self._count(pieces.usage)
        rest = pieces.end()
        if failure is not None or isinstance(rest, Failure):
            return rest if failure is None and isinstance(rest, Failure) else failure
        hand(Delta(*rest))
        return None

    def _count(self, usage: tuple[int, int] | None) -> tuple[int, int]:
        """Count the tokens of a reply and return them."""
        if usage is None:
            remark = f"{self.url}: the server does not say how many tokens its replies took; they are counted as 0"
            if remark not in self.remarks:
                self.remarks.append(remark)
            return 0, 0
        self.spent.add(*usage, unpriced=-1)
        return usage


def from_name(name: str, *, concurrency: int = 8, timeout_s: float = 600.0, retries: int = 4) -> Endpoint | None:
    """Return the endpoint that a model's name means, None where it means something else.

    Such names are `http://host:port/v1#model`, also with https and with `endpoint:` before it. Without `#model` the
    server is asked for its only one.

    Raises:
        UsageError: the URL cannot be used, or the server has several models and none was named.
        EndpointError: the server was to be asked and did not answer.
    """
    url, _, model = name.removeprefix("endpoint:").partition("#")
    if not re.match("https?://", url, re.IGNORECASE):
        if name.startswith("endpoint:"):
            raise UsageError("endpoint: wants a URL after it, as endpoint:http://localhost:8000/v1#model does")
        return None
    engine = Endpoint(url, unquote(model), concurrency=concurrency, timeout_s=timeout_s, retries=retries)
    if not engine.model:
        models = engine.models()
        if len(models) != 1:
            one = models[0] if models else "model"
            raise UsageError(f"{engine.url}: say which model, as {engine.url}#{one} does; it has: {listed(models)}")
        engine.model = models[0]
    return engine


def _openai() -> Any:
    """Return the client library."""
    try:
        import openai
    except ImportError:
        raise UsageError(
            "asking a server needs the openai package; install it with pip install 'whet-llm[endpoint]'"
        ) from None
    return openai


def _free(sampling: Sampling) -> None:
    if sampling.choices:
        raise UsageError(
            "a chat endpoint does not tell how likely each of several replies is, so it cannot choose among them; "
            "use eval.choose=false"
        )


def _seed(sampling: Sampling, source: str, number: int) -> int:
    """Return the seed of one prompt, below 2**31."""
    digest = hashlib.sha256(f"{sampling.seed}:{source}:{number}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:4], "big") >> 1
