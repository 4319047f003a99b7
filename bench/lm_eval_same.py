"""Whether lm-eval finds the figures that whet finds: python bench/lm_eval_same.py [ITEMS]

The same model in float32, the same rows of two tasks, asked alike. lm-eval is installed into an environment of its own
under bench/.peers; both count how many items are right, by the likeliest choice and by the likeliest for its length.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from run import PINNED, Peer, _python

from whet.config.tree import Model
from whet.engines.open import open_model

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "shared" / "data" / "general_ability"
TASKS = ("arc_easy", "openbook_qa")
THEIRS = """
import json, sys
import lm_eval
from lm_eval.tasks import TaskManager
folder, base, *tasks = sys.argv[1:]
found = lm_eval.simple_evaluate(
    "hf", model_args={"pretrained": base, "dtype": "float32"}, tasks=tasks, device="cpu", batch_size=8,
    task_manager=TaskManager(include_path=folder, include_defaults=False), bootstrap_iters=0,
)
print(json.dumps(found["results"], default=str))
"""


def main() -> None:
    """Measure both and print how many items each finds right."""
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
            (folder / f"whet_{name}.yaml").write_text(
                f"task: whet_{name}\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {suite}/rows.jsonl}}}}\n"
                'test_split: test\noutput_type: multiple_choice\ndoc_to_text: "{{query}}\\nAnswer:"\n'
                "doc_to_choice: choices\ndoc_to_target: gold\nmetric_list: [{metric: acc}, {metric: acc_norm}]\n"
            )
        python = _python(Peer("lm_eval", needs=("lm-eval[hf]==0.4.9.1", f"-c{PINNED}")))
        asked = [python, "-c", THEIRS, str(folder), str(base), *(f"whet_{name}" for name in TASKS)]
        theirs = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        for name in TASKS:
            command = [sys.executable, "-m", "whet", "evaluate", str(base), "--data", str(folder / name), "--json"]
            done = subprocess.run([*command, "model.dtype=float32"], capture_output=True, text=True, check=True)
            ours = json.loads(done.stdout)
            for metric in ("acc", "acc_norm"):
                mine = ours["metrics"][metric]["value"] * ours["rows"]
                other = float(theirs[f"whet_{name}"][f"{metric},none"]) * ours["rows"]
                print(f"{name} {metric}: whet {mine:.0f}, lm-eval {other:.0f} of {ours['rows']}", flush=True)


if __name__ == "__main__":
    main()
