"""Whether lm-eval finds the figures that whet finds: python bench/lm_eval_same.py [ITEMS]

The same model in float32, the same rows of two tasks. lm-eval asks it through transformers; whet once by its own suite
and once as lm-eval's model. All count how many items are right, by the likeliest choice and by the likeliest for its
length.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import lm_eval
from lm_eval.tasks import TaskManager

from whet.config.tree import Model
from whet.engines.open import open_model

DATA = Path(__file__).parents[2] / "shared" / "data" / "general_ability"
TASKS = ("arc_easy", "openbook_qa")
METRICS = ("acc", "acc_norm")


def right(base: Path, data: str, metric: str) -> int:
    """Return how many items whet finds right."""
    command = [sys.executable, "-m", "whet", "evaluate", str(base), "--data", data, "--json", "model.dtype=float32"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return round(found["metrics"][metric]["value"] * found["rows"])


def main() -> None:
    """Measure all three and print how many items each finds right."""
    items = int(sys.argv[1]) if sys.argv[1:] else 500
    base = open_model("smollm2-135m", Model(dtype="float32")).base_folder
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in TASKS:
            suite = folder / name
            suite.mkdir()
            rows = (DATA / f"{name}.jsonl").read_text().splitlines()[:items]
            (suite / "rows.jsonl").write_text("\n".join(rows) + "\n")
            (suite / "suite.yaml").write_text(f'name: {name}\nkind: choice\nprompt: "{{query}}\\nAnswer:"\n')
            (folder / f"{name}.yaml").write_text(
                f"task: whet_{name}\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {suite}/rows.jsonl}}}}\n"
                'test_split: test\noutput_type: multiple_choice\ndoc_to_text: "{{query}}\\nAnswer:"\n'
                "doc_to_choice: choices\ndoc_to_target: gold\nmetric_list: [{metric: acc}, {metric: acc_norm}]\n"
            )
        theirs = lm_eval.simple_evaluate(
            "hf", model_args={"pretrained": str(base), "dtype": "float32"}, tasks=[f"whet_{name}" for name in TASKS],
            device="cpu", batch_size=8, bootstrap_iters=0,
            task_manager=TaskManager(include_path=place, include_defaults=False),
        )["results"]  # fmt: skip
        for name in TASKS:
            for metric in METRICS:
                other = round(theirs[f"whet_{name}"][f"{metric},none"] * items)
                mine = right(base, str(folder / name), metric)
                through = right(base, f"lm-eval:{folder}#whet_{name}", metric)
                said = f"whet's suite {mine}, lm-eval through whet {through}, lm-eval through transformers {other}"
                print(f"{name} {metric}: {said}, of {items}", flush=True)


if __name__ == "__main__":
    main()
