"""One run, fully described. The same tree from YAML, the command line and Python; frozen once built.

The docstring under a field is its only documentation: `whet train --show` and the reference print it.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from whet.config.method import Method as Method
from whet.config.section import Names, Section, Share, listed


def _numbers(value: Any) -> Any:
    value = [value] if isinstance(value, int) else listed(value)
    return [str(part) for part in value] if isinstance(value, list | tuple) else value


Numbers = Annotated[
    tuple[Annotated[str, Field(pattern=r"^\d+(-\d+)?$|^(first|last):[1-9]\d*$")], ...], BeforeValidator(_numbers)
]
"""Counts from 0, as last:4, first:4, 0-5 or a list of such."""


Kind = Literal["lora", "dora", "vera", "oft", "ia3", "adalora", "prompt", "prefix", "full"]
Part = Literal["embeddings", "norms", "head"]
Way = Literal["zero_shot", "prompted", "few_shot", "rag", "tuned", "tuned_rag"]


class Model(Section):
    """The base model."""

    name: str = "smollm2-135m"
    """A built-in name, a hub id (`org/name` or `org/name@revision`), a local directory, a .gguf file, or a run, whose
    model is then trained further."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the frozen weights and of the products. auto measures which is quicker on this machine."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute. auto takes the accelerator if there is one."""
    quantize: Literal["nf4"] | None = None
    """nf4 keeps the frozen weights of linear layers in 4 bits (QLoRA, arXiv:2305.14314), in an eighth of float32's
    memory; for adapter.kind=lora, with the extra `quant`."""


class Adapter(Section):
    """What trains."""

    kind: Kind = "lora"
    """lora trains low-rank additions to linear layers; dora, vera, oft, ia3 and adalora train other changes of them;
    prompt and prefix train virtual tokens before every row; full trains the weights themselves (docs/adapters.md)."""
    r: int | None = Field(None, ge=1, le=1024)
    """Rank of the additions (lora, dora, vera; adalora: on average when training ends); default is 16, of vera 256."""
    alpha: float = Field(32.0, gt=0)
    """Scale: the addition is multiplied by alpha / r (lora, dora, adalora)."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the adapter's inputs set to zero while training; of oft, of its blocks left out."""
    rslora: bool | None = None
    """true multiplies by alpha / sqrt(r) instead, which suits high ranks (lora, dora)."""
    init: Literal["default", "gaussian", "pissa", "olora"] | None = None
    """What lora begins with: noise and zeros, or the part of each weight that matters most by its singular values
    (pissa) or its QR factors (olora)."""
    lora_plus: float | None = Field(None, ge=1)
    """How many times faster B learns than A (lora, dora); LoRA+ takes 16."""
    block: int | None = Field(None, ge=2)
    """Inputs that oft turns together; a layer whose width it does not divide takes the nearest that does. Default is
    32."""
    virtual_tokens: int | None = Field(None, ge=1, le=4096)
    """Virtual tokens (prompt, prefix); default is 20."""
    modules: Names | None = None
    """Linear layers that are adapted, by the end of their names, such as q_proj,v_proj; default is all but the head, of
    ia3 keys, values and the last of each layer."""
    layers: Numbers | None = None
    """Layers of the model that are adapted, or train (full): last:4, first:4, 0-5 or a list; default is all."""
    parts: Annotated[tuple[Part, ...], BeforeValidator(listed)] | None = None
    """What trains beside the matrices in the layers (full): some of embeddings, norms and head, [] for nothing;
    default is all, with `layers` the norms in them."""

    @property
    def rank(self) -> int:
        """The rank of the additions."""
        return self.r or (256 if self.kind == "vera" else 16)

    @property
    def ahead(self) -> int:
        """How many virtual tokens stand before every row."""
        return (self.virtual_tokens or 20) if self.kind in ("prompt", "prefix") else 0


class Mix(Section):
    """Other examples that are learned from too, and never judged on."""

    path: str
    """File, folder or pattern of examples, `hub:OWNER/NAME` or a URL."""
    share: float = Field(gt=0, lt=1)
    """Share of all training rows that comes from it."""
    shape: str | None = None
    """As `data.shape`."""
    columns: dict[str, str] = Field(default_factory=dict)
    """As `data.columns`."""
    instruction: str | None = None
    """As `data.instruction`, which does not hold for these rows."""


class Data(Section):
    """The examples and how rows become tokens."""

    train: str | None = None
    """File of examples: .jsonl, .json, .csv, .tsv, .parquet or .txt; a folder, a pattern, `hub:OWNER/NAME` or a URL."""
    validation: str | None = None
    """File of rows to stop early on. Without it, a share of the training file is set aside."""
    test: str | None = None
    """File of rows to judge on. Without it, a share of the training file is set aside."""
    shape: str | None = None
    """Row shape, when it is not recognised: a name from `whet data shapes`."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Role to column, when columns are not recognised: prompt, completion, reasoning, context, system, label,
    text, messages; thread, side, time of a message in a row."""
    instruction: str | None = None
    """System message put before every row that has none."""
    reasoning: Literal["keep", "drop"] = "keep"
    """What becomes of reasoning that stands beside answers: keep puts it before them as <think>...</think>."""
    coerce: bool = False
    """true takes numbers, true and false in a column of text as the text they are written as."""
    limit: int | None = Field(None, ge=1)
    """Use at most this many training rows, drawn by content hash."""
    shares: tuple[Share, Share] = (0.1, 0.15)
    """Shares set aside for validation and test when no files are given for them."""
    group: Names | None = None
    """Columns whose equal values keep rows on one side, such as a user or a document. Left open, columns that are
    called so (`conversation_id`, `user_id`, `document_id` ...) are taken; none takes none."""
    time: str | None = None
    """Column with the time of a row: the newest rows are tested, those before them validate."""
    stratify: bool | None = None
    """true gives every label its share of each side."""
    folds: int | None = Field(None, ge=2, le=100)
    """Parts for cross-validation; `data.fold` is tested."""
    fold: int | None = Field(None, ge=0)
    """Which of `data.folds` is tested, from 0; default is 0."""
    mix: tuple[Mix, ...] | None = None
    """Other files to learn from besides, each as {path: general.jsonl, share: 0.2} with `shape`, `columns` and
    `instruction` of its own if need be: general data against forgetting, a related task. share is that of all training
    rows. Nothing is judged on them."""
    max_tokens: int | None = Field(None, ge=8)
    """Longest row in tokens; default is the model's context, at most 4,096."""
    overlong: Literal["error", "drop", "truncate_left", "split"] = "error"
    """What to do with a longer row. Everything but error is counted in the report."""
    train_on: Literal["answers", "all"] = "answers"
    """answers trains assistant turns and their end tokens; all trains every token."""


class Optim(Section):
    """How the weights move. Fields left at null follow the rules in docs/defaults.md."""

    lr: float | None = Field(None, gt=0)
    """Peak learning rate."""
    epochs: float | None = Field(None, gt=0, le=1e6)
    """Passes over the training rows."""
    steps: int | None = Field(None, ge=1, le=10**9)
    """Optimizer steps; overrides epochs."""
    rows: int | None = Field(None, ge=1)
    """Rows per optimizer step."""
    order: Literal["random", "short_first", "given"] | None = None
    """Order of rows in the first pass: random, from the shortest answers to the longest, or as given (`data.mix` first,
    then the training file). Later passes are always random."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Shape of the learning rate after the warm-up."""
    warmup: float = Field(0.06, ge=0, le=1)
    """Share of all steps spent rising to the peak."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled decay of matrices (never of biases and norms)."""
    beta1: float = Field(0.9, ge=0, lt=1)
    """AdamW's memory of the gradient."""
    beta2: float = Field(0.99, ge=0, lt=1)
    """AdamW's memory of the squared gradient."""
    clip: float = Field(1.0, gt=0)
    """Largest norm of the gradient."""
    tokens: int | None = Field(None, ge=16)
    """Tokens a micro-batch may hold; default: what memory allows, up to 4,096 on a CPU. Never changes the gradient."""
    recompute: int | None = Field(None, ge=0)
    """Layers computed again on the way back instead of kept in memory; default: as few as memory demands."""
    offload: bool | None = None
    """true keeps what a step on a GPU needs for its way back in the host's memory."""
    moments: Literal["8bit", "paged"] | None = None
    """How AdamW keeps its moments: in float32, or in blocks of 8 bits (arXiv:2110.02861), a quarter of the memory, with
    the extra `quant`. paged also lets them move to the host where an NVIDIA GPU is full."""


class Save(Section):
    """Checkpoints."""

    every: int | None = Field(None, ge=1)
    """Steps between checkpoints; default is at every validation and after five minutes."""
    keep: int = Field(2, ge=2)
    """Verified checkpoints kept besides the best one."""


class Eval(Section):
    """Validation while training and the comparison afterwards."""

    every: int | None = Field(None, ge=1)
    """Steps between validations; default is twice an epoch."""
    patience: int = Field(3, ge=1)
    """Stop after this many validations without a better loss."""
    limit: int = Field(200, ge=1)
    """Judge on at most this many test questions, drawn by content hash."""
    validation_limit: int = Field(64, ge=1)
    """Validate on at most this many rows, drawn by content hash."""
    contenders: Annotated[tuple[Way, ...], BeforeValidator(listed)] = Field(
        ("zero_shot", "few_shot", "tuned"), min_length=1
    )
    """Who is compared: the base model asked plainly (zero_shot), in the best of several wordings (prompted), shown
    examples (few_shot) or passages (rag); the tuned model, plainly or shown passages (tuned_rag)."""
    endpoints: Names = ()
    """Models behind servers that are compared too: http://host:port/v1#model."""
    prompts: tuple[str, ...] = ()
    """System messages that `prompted` tries too; {labels} stands for the labels."""
    shots: Annotated[int, Field(ge=1, le=64)] | Literal["auto"] = 3
    """Examples in the few-shot prompt, the nearest; auto chooses how many and which on validation questions."""
    documents: Names = ()
    """What `rag` looks passages up in: files, folders or patterns; default are the training rows."""
    passages: Annotated[int, Field(ge=1, le=64)] | Literal["auto"] = "auto"
    """Passages in a prompt, the nearest; auto chooses how many on validation questions."""
    embedder: str | None = None
    """A sentence-embedding model (folder or hub id, with the extra `embeddings`) by which the nearest examples and
    passages are found; without one by their words (BM25)."""
    temperature: float = Field(0.0, ge=0, le=2)
    """Of every reply that is judged; 0 is greedy."""
    scorers: Names | None = None
    """Scorers; default is chosen from the data. The first decides the verdict."""
    choose: bool | None = None
    """true lets everybody answer with the known label that is likeliest as a whole answer, instead of freely."""
    max_tokens: int | None = Field(None, ge=1)
    """Longest reply in tokens; default covers 99 % of the training replies, at most 256."""
    judge: str | None = None
    """A model that says of two replies which is better, in both orders: a name, a run or http://host:port/v1#model."""
    criterion: str = Field("more helpful and correct", min_length=1)
    """What the judge is asked: which reply is ...?"""
    panel: Names = ()
    """Suites of general questions (folders with a suite.yaml) that the model is asked before and after tuning."""
    forgetting: float | None = Field(None, ge=0, le=1)
    """How much of its right answers to them it may lose; the adapter is weakened until it keeps to that."""
    seeds: int = Field(1, ge=1, le=20)
    """Trainings that differ in their seed alone, of which the first is served; from 2 on, luck is counted too."""
    swaps: Names = ()
    """Axes of people (gender, age, nationality ... as in `whet bias`): test questions that speak of them are asked
    with the groups swapped too, before tuning and after."""
    slices: Names = ()
    """Columns of the test rows by whose values the tuned model's score is told apart in the report."""
    resamples: int = Field(10_000, ge=200)
    """Bootstrap resamplings of rows."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Level of every interval."""


class Decide(Section):
    """`whet decide`: whether to tune."""

    minutes: float = Field(20.0, gt=0)
    """How long the trial may take, about; the rows that are trained on follow from it."""
    margin: float = Field(0.02, ge=0)
    """The smallest gain worth having, in the unit of the deciding metric."""


class Config(Section):
    """One run."""

    model: Model = Model()
    adapter: Adapter = Adapter()
    method: Method = Method()
    data: Data = Data()
    optim: Optim = Optim()
    save: Save = Save()
    eval: Eval = Eval()
    decide: Decide = Decide()
    seed: int = Field(0, ge=0, lt=2**63)
    """Seeds the order of rows, the adapter's first weights and the resamplings."""
