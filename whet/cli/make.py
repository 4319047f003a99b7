"""`whet data make`: open the models, make rows, sift them, write what is kept and what is not."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whet.cli.progress import Shown, out
from whet.config.load import load
from whet.config.places import remote
from whet.data.makers import Row
from whet.data.making import Budget, Piece, Workshop, reasons
from whet.data.read import read_files
from whet.data.sieve import sieve
from whet.data.sources import File, files
from whet.data.trail import leave
from whet.engines.named import named
from whet.errors import Interrupted, RunError, UsageError
from whet.plugins import find
from whet.train.stop import on_signals
from whet.types import Engine, Example


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asked for."""

    kind: str
    source: str
    maker: str
    judge: str | None
    out: Path
    apart: str | None
    per: int
    temperature: float
    seed: int
    budget: Budget


def make(order: Order, overrides: Sequence[str]) -> None:
    """Make the rows.

    Raises:
        UsageError: the output exists or is no .jsonl file. DataError: the source cannot be read. And what asking
            raises; what was made until then is kept, and the same command goes on from it.
    """
    kind = find("data.makers", order.kind)
    rejected = order.out.with_name(f"{order.out.name}.rejected.jsonl")
    journal = order.out.with_name(f"{order.out.name}.part")
    if order.out.suffix.lower() != ".jsonl":
        raise UsageError(f"--out {order.out}: rows are written as JSON Lines; name a file that ends in .jsonl")
    if taken := [file for file in (order.out, rejected) if file.exists()]:
        raise UsageError(f"--out: {taken[0]} exists and nothing is overwritten; name another file")
    if not order.out.parent.is_dir():  # said before a model is opened and asked
        raise UsageError(f"--out {order.out}: there is no folder {order.out.parent}; name a file in one that exists")
    data = load(None, overrides).data
    told = list[str]()
    sources, held = files(order.source, told), files(order.apart, told, "test") if order.apart else []
    dataset = read_files(sources, data, told)
    apart = read_files(held, data).examples if held else ()
    settings = {"kind": order.kind, "maker": order.maker, "per": order.per, "temperature": order.temperature}
    settings |= {"seed": order.seed} | ({"judge": order.judge} if order.judge else {})
    with on_signals() as stop, Shown() as show:
        for note in dataset.notes:
            show.say(note)

        def pause() -> None:
            if stop.asked:
                raise Interrupted(f"stopped on request; what was made is in {journal}. The same command goes on")

        maker = _engine(order.maker, show, pause)
        engines = {"maker": maker, "judge": _engine(order.judge, show, pause) if order.judge else maker}
        shop = Workshop(kind, dataset.examples, engines, journal, settings=settings, budget=order.budget, show=show)
        show.begin(f"making {order.kind}", order.budget.rows or len(dataset.examples) * order.per)
        show.skip(shop.rows)
        kept, left = _sifted(order, shop, dataset.examples, apart)
    _write(order, (*sources, *held), (kept, left), rejected, settings, shop)
    journal.unlink(missing_ok=True)
    _tell(order, kept, left, shop)


def _engine(name: str, show: Shown, pause: Any) -> Engine:
    engine = named(name, show)
    engine.between = pause
    return engine


def _sifted(
    order: Order, shop: Workshop, source: Sequence[Example], apart: Sequence[Example]
) -> tuple[list[tuple[Piece, Row]], list[tuple[Piece, Row, str]]]:
    """Return the rows that are kept and left out; where too few are kept, more are made."""
    wanted = order.budget.rows
    shop.work(wanted)
    while True:
        kept, left = sieve(order.kind, list(shop.done.values()), source, apart)
        if wanted is None or shop.exhausted or len(kept) >= wanted:
            return kept[:wanted], left
        shop.work(shop.rows + wanted - len(kept))


def _write(
    order: Order,
    sources: Sequence[File],
    made: tuple[Sequence[tuple[Piece, Row]], Sequence[tuple[Piece, Row, str]]],
    rejected: Path,
    settings: dict[str, Any],
    shop: Workshop,
) -> None:
    kept, left = made
    if not kept:
        raise RunError(
            f"no row came of it: {_most(Counter(why for *_, why in left) + reasons(list(shop.done.values())))}"
        )
    rows = [{**row, **_origin(order, piece)} for piece, row in kept]
    others = [{"why": why, **row, **_origin(order, piece)} for piece, row, why in left]
    others += [{"why": piece.why, **_origin(order, piece)} for piece in shop.done.values() if piece.why]
    try:
        for file, lines in ((rejected, others), (order.out, rows)):
            part = file.with_name(f".part-{file.name}")
            text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            part.write_text(text, encoding="utf-8", errors="replace")
            part.replace(file)
    except OSError as error:
        why = f"cannot be written ({error.strerror or error})"
        raise RunError(f"--out {order.out}: {why}; name a file in a folder that exists and has room") from None
    counts = {"rows": len(rows), "left out": len(others), "asks": shop.spent.asks}
    counts |= {"tokens read": shop.spent.read, "tokens written": shop.spent.written}
    leave(order.out, f"make {order.kind}", sources, settings, counts)


def _origin(order: Order, piece: Piece) -> dict[str, str]:
    """Return where a row comes from: a line of a file, by which model."""
    place, _, _ = piece.key.rpartition("#")
    return {"made_from": place if remote(place) else Path(place).name, "made_by": Path(order.maker).name}


def _most(why: Counter[str]) -> str:
    return "; ".join(f"{count:,} x {what}" for what, count in why.most_common(6)) or "nothing could be asked"


def _tell(order: Order, kept: Sequence[Any], left: Sequence[tuple[Piece, Row, str]], shop: Workshop) -> None:
    out(f"{len(kept):,} rows written to {order.out}, each with what it was made from")
    if why := Counter(why for *_, why in left) + reasons(list(shop.done.values())):
        out(f"{why.total():,} left out: {_most(why)}")
    spent = shop.spent
    cost = f", {spent.money(order.budget.price):.4f} in money" if any(order.budget.price) else ""
    out(f"{spent.asks:,} asks, {spent.read:,} tokens read, {spent.written:,} written{cost}")
    if order.budget.rows and len(kept) < order.budget.rows:
        out(f"fewer than the {order.budget.rows:,} asked for: {shop.exhausted}")
