"""The card of a model, README.md: what a hub reads of it, its use, scores, data, licence and limits."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt.data.directions import languages_of
from nmt.evaluation.markdown import table
from nmt.results import Result
from nmt.runtime.manifest import Kind, Manifest

UNKNOWN = "unknown"  # a licence that nobody named
CONFIGURATION = "training.yaml"  # beside a graph alone: a config.yaml would make a run of the folder
LIMITS = """- It invents fluent text where it does not understand. Do not use it where a mistake does harm.
- It repeats what its data says of people, prejudices included.
- A line is split into sentences; each is translated by itself, without context."""
_LIMITS_OF_OTHERS = """- It knows text like that of its data only. Do not use it where a mistake does harm.
- It repeats what its data says of people, prejudices included."""
# What a hub calls the task, the command that does it, and what does it in nmt.runtime.
_TASKS: dict[Kind, str | None] = {
    "seq2seq": "translation",
    "classifier": "text-classification",
    "tagger": "token-classification",
    "language_model": None,
}
_COMMANDS: dict[Kind, str | None] = {
    "seq2seq": "translate",
    "classifier": "predict",
    "tagger": "predict",
    "language_model": None,
}
_FUNCTIONS: dict[Kind, tuple[str, str]] = {
    "seq2seq": ("load", "translate"),
    "classifier": ("load_labeller", "label"),
    "tagger": ("load_labeller", "label"),
    "language_model": ("load_language_model", "log_probs"),
}
# A hub's names of metrics; F1 of one label has none.
_METRICS = {"BLEU": "bleu", "chrF2": "chrf", "TER": "ter", "accuracy": "accuracy", "macro-F1": "f1"}
_METRICS |= {"perplexity": "perplexity"}
_EXAMPLES = {"de": "Wie spät ist es?", "en": "What time is it?", "fr": "Quelle heure est-il ?"}


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a card says.

    address: what --model takes. title: what it does, such as German to English. corpus: what it was trained
    on; the id of a data set on the hub, if it is one. results: of the run, the one with its cost first.
    checked: what its export found. weights: they and config.yaml lie beside the graph, else training.yaml.
    """

    address: str
    title: str
    manifest: Manifest
    licence: str
    corpus: str
    results: Sequence[Result]
    checked: Sequence[str]
    weights: bool

    def text(self) -> str:
        """Return the card in Markdown."""
        name = self.address.rpartition("/")[2]
        parts = [
            f"---\n{self._front_matter(name)}\n---",
            f"# {self.title}: {name}" if self.title else f"# {name}",
            self._opening(),
            "## Use",
            usage(self.manifest, self.address),
            "## Scores",
            self._scores(),
            "## Data and licence",
            self._data(),
            "## Intended use and limits",
            "For study, and for text like that of its data; the scores say how well it does there.",
            LIMITS if self.manifest.kind == "seq2seq" else _LIMITS_OF_OTHERS,
            "## How to train it again",
            self._training(),
        ]
        return "\n\n".join(parts) + "\n"

    def _front_matter(self, name: str) -> str:
        from huggingface_hub import EvalResult, ModelCardData

        task, manifest = _TASKS[self.manifest.kind], self.manifest
        dataset = self.corpus if re.fullmatch(r"[\w.-]+/[\w.-]+", self.corpus) else None
        of_tags = (each for direction in manifest.directions for each in direction[:2])
        languages = [*dict.fromkeys(filter(None, (manifest.src, manifest.trg, *of_tags)))]
        found = [
            EvalResult(
                task_type=task or "language-modeling",
                dataset_type=(dataset if result.dataset == dataset else None) or "custom",
                dataset_name=_short(result.dataset),
                dataset_split=result.split,
                metric_type=_METRICS[score.metric],
                metric_name=score.label,
                metric_value=round(score.score, 2),
                metric_args={"signature": score.signature},
            )
            for result in self.results
            for score in result.scores
            if score.metric in _METRICS
        ]
        data = ModelCardData(
            language=languages or None,
            license=self.licence,
            library_name="nmt",
            pipeline_tag=task,
            tags=[*([task] if task else []), "nmt", "onnx"],
            datasets=[dataset] if dataset else None,
            metrics=[*dict.fromkeys(each.metric_type for each in found)] or None,
            model_name=name,
            eval_results=found or None,
        )
        return data.to_yaml()

    def _opening(self) -> str:
        known = next((result.parameters for result in self.results if result.parameters), None)
        size = f" of {known / 1e6:.1f} million parameters" if known else ""
        graph = f"A recurrent model{size}, by nmt {self.manifest.nmt}. `model.onnx` runs on ONNX Runtime in "
        graph += f"{self.manifest.precision}, on any CPU, without torch."
        if self.weights:
            graph += " `config.yaml` and `model.safetensors` are the run itself, for torch."
        return graph

    def _scores(self) -> str:
        rows = [
            [
                _test_set(result),
                f"{result.sentences:,}",
                score.label,
                f"{score.score:.2f}",
                (result.decoding and result.decoding.precision) or "-",
                f"`{score.signature}`",
            ]
            for result in self.results
            for score in result.scores
        ]
        checked = "\n".join(f"- {line}" for line in self.checked)
        if not rows:
            return f"No scores are known.\n\nWhat the export found:\n\n{checked}"
        head = ["test set", "sentences", "metric", "score", "computed in", "signature"]
        found = f"The graph computes in {self.manifest.precision}. What its export found:"
        return "\n\n".join([table(head, rows, numbers=(1, 3)), found, checked])

    def _data(self) -> str:
        hashes = next((result.data_hashes for result in self.results if "train" in result.data_hashes), {})
        lines = [
            f"Trained on `{self.corpus}`, which has a licence of its own that may bind what is made of it."
        ]
        if "train" in hashes:
            lines.append(f"SHA-256 of the training text: `{hashes['train']}`.")
        if self.licence == UNKNOWN:
            lines.append("The licence of the model is unknown: ask its author before you use it.")
        else:
            lines.append(f"The licence of the model is {self.licence}.")
        return "\n".join(lines)

    def _training(self) -> str:
        configuration = "config.yaml" if self.weights else CONFIGURATION
        lines = [f"`{configuration}` is its configuration. It names the data, which is not here."]
        cost = next((result.training for result in self.results if result.training), None)
        if cost:
            known = cost.cpu_minutes is not None
            minutes = f"{cost.cpu_minutes:,.0f} CPU minutes" if known else f"{cost.wall_minutes:,.0f} minutes"
            lines.append(f"{cost.updates:,} updates took {minutes}.")
        if self.results:
            of = self.results[0]
            commit = (cost and cost.commit) or of.commit or UNKNOWN
            lines.append(f"Seed {of.seed}, commit of nmt: {commit}.")
        return "\n".join(lines) + f"\n\n```bash\nnmt train {configuration} --run runs/again\n```"


def usage(manifest: Manifest, model: str) -> str:
    """Return how to use an exported model from the shell and from Python, in Markdown."""
    example = _EXAMPLES.get(manifest.src, "…")
    targets = languages_of(manifest.directions)
    needed = targets and not any(each.tag == "" for each in manifest.directions)
    blocks = []
    if command := _COMMANDS[manifest.kind]:
        to = f" --to {targets[0]}" if needed else ""
        blocks.append(f'```bash\necho "{example}" | nmt {command} --model {model}{to}\n```')
    load, does = _FUNCTIONS[manifest.kind]
    to = f', to="{targets[0]}"' if needed else ""
    code = f'import nmt.runtime\n\nprint(nmt.runtime.{load}("{model}"{to}).{does}(["{example}"]))'
    return "\n\n".join([*blocks, f"```python\n{code}\n```"])


def _test_set(result: Result) -> str:
    return _short(result.dataset) + (f", {result.split}" if result.split else "")


def _short(dataset: str) -> str:
    """Return the name of a data set without the folders of the machine that it lay on."""
    return " ".join(Path(part).name if part.startswith("/") else part for part in dataset.split(" "))
