import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nmt.config import Experiment, load_experiment
from nmt.config.loading import changed_keys, dump_experiment
from nmt.config.model import ModelConfig
from nmt.errors import UserError

BASE = """\
name: demo
data:
  dataset: bentrevett/multi30k
  src: de
  trg: en
model:
  decoder: {attention: {kind: multi_head, heads: 4}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(BASE)
    return path


def refusal(file: Path, *overrides: str, text: str = BASE) -> list[str]:
    """The lines a person sees, less the path of the file."""
    file.write_text(text)
    with pytest.raises(UserError) as error:
        load_experiment(file, overrides)
    return str(error.value).replace(str(file), "FILE").split("\n")


def test_a_file_is_complete_with_defaults(file: Path) -> None:
    experiment = load_experiment(file)
    assert experiment.name == "demo"
    assert experiment.model.decoder.attention.kind == "multi_head"
    assert experiment.decoding.beam == 5


def test_text_is_read_as_yaml_1_2(file: Path) -> None:
    file.write_text(
        BASE + "  # Norwegian, and numbers\ntracking: {wandb: off}\ntraining: {optimizer: {lr: 1e-3}}\n"
    )
    experiment = load_experiment(file, ["data.src=no", "name=2020-01-01"])
    assert experiment.tracking.wandb == "off"
    assert experiment.data.src == "no"
    assert experiment.training.optimizer.lr == 1e-3
    assert experiment.name == "2020-01-01"


def test_overrides_are_applied_in_turn(file: Path) -> None:
    overrides = [
        "data.dataset=../shared/data/multi30k",
        "training.max_minutes=null",
        "training.optimizer.betas=[0.8, 0.9]",
        "training.schedule={kind: cosine}",
        "training.schedule.warmup=7",
        "model.decoder.attention={kind: additive}",
        "tracking.notes=",
        "seed=2",
        "seed=3",
    ]
    experiment = load_experiment(file, overrides)
    assert experiment.data.dataset == "../shared/data/multi30k"
    assert experiment.training.optimizer.betas == (0.8, 0.9)
    assert experiment.training.schedule.model_dump() == {"kind": "cosine", "warmup": 7, "final": 0.0}
    assert experiment.model.decoder.attention.kind == "additive"
    assert experiment.tracking.notes is None
    assert experiment.seed == 3


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("model.encoder.hiden=3", "model.encoder.hiden: unknown key; did you mean model.encoder.hidden?"),
        ("sead=3", "sead: unknown key; did you mean seed?"),
        ("training.lr=3", "training.lr: unknown key; did you mean training.optimizer.lr?"),
        (
            "model.decoder.attention.head=2",
            "model.decoder.attention.head: unknown key of kind multi_head; "
            "did you mean model.decoder.attention.heads?",
        ),
        (
            "data.splits.dev=x",
            "data.splits.dev: unknown key; expected one of train, validation, test",
        ),
        ("data.tsv.test=x", "data.tsv.train: missing; expected a value, found none"),
        (
            "data.splits.validation=null",
            "data: splits.validation is missing: expected text to validate on, found none",
        ),
        ("training.max_updates=0", "expected a number greater than or equal to 1, found 0"),
        ("training.max_updates=1.5", "training.max_updates: expected a whole number, found 1.5"),
        ("training.max_updates=true", "training.max_updates: expected a whole number, found true"),
        ("seed='5'", 'seed: expected a whole number, found "5"'),
        ("model.encoder.bidirectional=no", 'expected true or false, found "no"'),
        ("training.optimizer.betas=[0, a]", 'training.optimizer.betas.1: expected a number, found "a"'),
        ("training.optimizer.lr=.nan", "training.optimizer.lr: expected a "),
        (
            "training.optimizer.betas=[2, 3]",
            "training.optimizer.betas.0: expected a number less than 1, found 2",
        ),
        ("training.optimizer.eps=0.0", "training.optimizer.eps: expected a number greater than 0, found 0.0"),
        ("training.max_minutes=.inf", "training.max_minutes: expected a finite number, found"),
        ("decoding.max_ratio=1e400", "decoding.max_ratio: expected a finite number, found"),
        ("decoding.max_ratio=1.0e+308", "decoding.max_ratio: expected a number less than or equal to 100"),
        (f"training.max_updates={10**30}", "expected a number less than or equal to 1000000000000"),
        (f"seed={2**64}", "seed: expected a number less than 9223372036854775808, found"),
        ("training.threads=1000000", "training.threads: expected a number less than or equal to 1024"),
        ("model.encoder.hidden=1000000000", "expected a number less than or equal to 65536"),
        (
            "model.encoder={layers: 100, cell: {kind: deep_transition, depth: 11}}",
            "model.encoder: expected at most 1,000 cells, found layers 100 × cell.depth 11",
        ),
        (
            "model.encoder.cell=qrnn",
            "model.encoder.cell: kind \"qrnn\" is unknown; expected one of 'lstm', 'gru', 'rnn', 'irnn', ",
        ),
        (
            "model.decoder.attention.kind=dott",
            'model.decoder.attention: kind "dott" is unknown; '
            "expected one of 'additive', 'dot', 'general', 'multi_head'",
        ),
        (
            "training.schedule.warmup=3",
            "training.schedule: kind is missing; expected one of 'constant', 'inv",
        ),
        ("model=3", "model: expected a mapping of keys, found 3"),
        ("name=" + "a" * 201, "name: expected at most 200 characters, found 201"),
        ('data.src="\\e[31mde"', "data.src: expected text without line ends and control characters, found"),
        ('data.splits.test="a\\nb"', "data.splits.test: expected text without line ends and control"),
        ('tracking.tags=["\\0"]', "tracking.tags.0: expected text without line ends and control"),
        ('training.device="cpu\\n"', "training.device: expected text without line ends and control"),
        ('data.prepared="a\\u2028b"', "data.prepared: expected text without line ends and control"),
        ("data.prepared=''", "data.prepared: expected a path, found an empty one"),
        ("data.dataset=''", "data.dataset: expected a path, found an empty one"),
        (
            "data.builtin={}",
            "data: give exactly one of dataset, files, tsv, builtin, corpora, text, labelled; "
            "found dataset and builtin",
        ),
        (
            "name=..",
            "name: expected letters, digits, dots, hyphens and underscores, the first no dot or hyphen, "
            'found ".."',
        ),
        ("name.x=1", '--set name.x: name is "demo", which has no keys'),
        ("name", "--set name: expected KEY=VALUE such as training.max_updates=100"),
        ("a..b=1", "--set a..b=1: expected KEY=VALUE"),
        ("a" + ".a" * 5000 + "=1", "FILE: not a configuration: nested too deeply"),
        ("name={a", "--set name, line 1, column 3: not valid YAML: "),
        ('name="\\ud800"', "holds text that is not Unicode"),
    ],
)
def test_a_wrong_value_is_one_line(file: Path, override: str, line: str) -> None:
    (found,) = refusal(file, override)[:1]
    assert line in found
    assert "pydantic" not in found


def test_a_new_kind_says_what_to_do_with_the_old_keys(file: Path) -> None:
    assert refusal(file, "model.decoder.attention.kind=additive") == [
        "FILE: model.decoder.attention.heads: unknown key of kind additive; "
        "to change the kind, set the whole: --set 'model.decoder.attention={kind: additive}'"
    ]


def test_a_bare_name_of_a_cell_takes_keys(file: Path) -> None:
    overrides = ["model.encoder.cell=lstm", "model.encoder.cell.chrono=40"]
    assert load_experiment(file, overrides).model.encoder.cell.chrono == 40


def test_a_key_of_a_kind_that_is_not_there_says_what_to_do(file: Path) -> None:
    (line,) = refusal(file, "model.encoder.cell.chrono=40")
    assert line.startswith("--set: model.encoder.cell: kind is missing; expected one of 'lstm', 'gru', ")
    assert line.endswith("; set the whole: --set 'model.encoder.cell={kind: …, …}'")


def test_every_mistake_has_its_line_and_says_where_it_is(file: Path) -> None:
    lines = refusal(file, "model.embeding=3", text=BASE + "training: {clip_norm: -1}\nextra: 1\n")
    assert sorted(lines) == [
        "--set: model.embeding: unknown key of kind seq2seq; did you mean model.embedding?",
        "FILE: extra: unknown key; expected one of name, seed, data, model, training, decoding, tracking",
        "FILE: training.clip_norm: expected a number greater than 0, found -1",
    ]


def bomb(first: str, further: str) -> str:
    """A hundred lines, each twice what the one before stands for."""
    return "\n".join([first.format(), *(further.format(n=n, m=n - 1) for n in range(1, 100))])


def test_aliases_may_be_used(file: Path) -> None:
    file.write_text(
        "name: x\ndata: {builtin: {}, src: de, trg: en}\n"
        "model: {encoder: &both {hidden: 6}, decoder: {<<: *both, layers: 2}}\n"
    )
    model = load_experiment(file).model
    assert isinstance(model, ModelConfig)
    assert (model.encoder.hidden, model.decoder.hidden, model.decoder.layers) == (6, 6, 2)


def test_an_anchor_may_be_used_again(file: Path) -> None:
    file.write_text(
        "name: &x a\ndata: {builtin: {}, src: de, trg: en}\ntracking: {group: &x b, project: *x}\n"
    )
    assert load_experiment(file).tracking.project == "b"


def test_of_many_mistakes_the_first_are_shown(file: Path) -> None:
    lines = refusal(file, text=BASE + "\n".join(f"key{n}: 1" for n in range(1000)))
    assert len(lines) == 21
    assert lines[-1] == "FILE: and 980 further mistakes"


def test_a_configuration_is_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(UserError, match="cannot read the configuration: not a regular file"):
            load_experiment(path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "FILE: expected a mapping such as 'name: demo', found an empty file"),
        ("- a", "FILE: expected a mapping such as 'name: demo', found [\"a\"]"),
        ("a: [1\nb: 2", "FILE, line 2, column 2: not valid YAML: "),
        (
            "name: a\nname: b",
            "FILE, line 2, column 1: not valid YAML: while constructing a mapping found duplicate",
        ),
        (bomb("a0: &a0 [1]", "a{n}: &a{n} [*a{m}, *a{m}]"), "FILE: more than 200,000 values"),
        (bomb("a0: &a0 {{b: 1}}", "a{n}: &a{n} {{<<: [*a{m}, *a{m}]}}"), "FILE: more than 200,000 values"),
        (bomb("a0: &a0 [1]", "a{n}: &a{n} {{*a{m} : *a{m}}}"), "FILE: more than 200,000 values"),
        ("a: [" + "1, " * 70_000 + "]", "FILE: cannot read the configuration: larger than 200,000 bytes"),
        ("a: &x [*x]", "FILE: not a configuration: nested too deeply, or an alias of itself"),
        ("a: \x07", "FILE: not valid YAML: unacceptable character #x0007"),
        ("a: !!bool x", "FILE: not valid YAML: 'x'"),
        ('a: "\\UFFFFFFFF"', "FILE: not valid YAML: Python int too large"),
        (f"seed: 0x{'f' * 5000}", "FILE: not a configuration: Exceeds the limit (4300 digits)"),
        (f"a: {'[' * 400}{']' * 400}", "FILE: holds text that is not Unicode"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(file: Path, text: str, line: str) -> None:
    (found,) = refusal(file, text=text)
    assert found.startswith(line)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.yaml: cannot read the configuration: No such file"):
        load_experiment(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("name: é".encode("latin-1"))
    with pytest.raises(UserError, match=r"latin\.yaml: not UTF-8 text \(byte 6\)"):
        load_experiment(tmp_path / "latin.yaml")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NAME = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=30)
NUMBER = st.floats(min_value=1e-300, max_value=1000)
EXPERIMENTS = st.builds(
    lambda name, seed, dataset, lr, notes, tags, attention, tokenizer, minutes: Experiment.model_validate(
        {
            "name": name,
            "seed": seed,
            "data": {"dataset": dataset, "src": "de", "trg": "en", "tokenizer": tokenizer},
            "model": {"decoder": {"attention": attention}},
            "training": {"optimizer": {"lr": lr}, "max_minutes": minutes},
            "tracking": {"notes": notes, "tags": tags},
        }
    ),
    name=st.sampled_from(["demo", "off", "1e-3", "null", "2020-01-01", "0x1", "1_0"]),
    seed=st.integers(min_value=0, max_value=2**63 - 1),
    dataset=NAME,
    lr=NUMBER,
    notes=st.none() | TEXT,
    tags=st.lists(NAME, max_size=3).map(tuple),
    attention=st.sampled_from(
        [{"kind": "additive"}, {"kind": "general"}, {"kind": "multi_head", "heads": 8}]
    ),
    tokenizer=st.sampled_from([{"kind": "unigram"}, {"kind": "char"}, {"kind": "word", "vocab_size": None}]),
    minutes=st.none() | NUMBER,
)


def with_notes(notes: str) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "demo",
            "data": {"dataset": "x", "src": "de", "trg": "en"},
            "tracking": {"notes": notes},
        }
    )


@pytest.mark.slow
@given(experiment=EXPERIMENTS)
@example(experiment=with_notes("\x85&(-"))  # YAML's readers take U+0085 for a line break
@example(experiment=with_notes(":/"))
@example(experiment=with_notes("größer\n  als zuvor\n"))
def test_what_is_dumped_loads_back_equal(
    experiment: Experiment, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "dumped.yaml"
    path.write_text(dump_experiment(experiment), encoding="utf-8", newline="\n")
    loaded = load_experiment(path)
    assert loaded == experiment
    assert changed_keys(experiment, loaded) == []


def test_a_dump_is_complete_and_in_the_order_of_the_sections(file: Path) -> None:
    text = dump_experiment(load_experiment(file))
    top = [line.partition(":")[0] for line in text.splitlines() if not line.startswith((" ", "-"))]
    assert top == ["name", "seed", "data", "model", "training", "decoding", "tracking"]
    assert "label_smoothing: 0.1" in text


def test_changed_keys_are_dotted_and_ordered(file: Path) -> None:
    old = load_experiment(file)
    new = load_experiment(
        file, ["training.max_updates=7", "seed=2", "model.decoder.attention={kind: additive, size: 3}"]
    )
    assert changed_keys(old, new) == [
        ("seed", 1, 2),
        ("model.decoder.attention.kind", "multi_head", "additive"),
        ("model.decoder.attention.heads", 4, None),
        ("training.max_updates", 10000, 7),
        ("model.decoder.attention.size", None, 3),
    ]


def test_a_language_model_is_read_as_strictly(tmp_path: Path) -> None:
    path = tmp_path / "lm.yaml"
    path.write_text(
        "name: lm\ndata: {text: {train: a.txt, held_out: 0.1}}\n"
        "model: {kind: language_model, layers: 2, tie_embeddings: two_way}\ntraining: {best_by: loss}\n",
        encoding="utf-8",
    )
    loaded = load_experiment(path)
    assert loaded.model.kind == "language_model"
    path.with_name("again.yaml").write_text(dump_experiment(loaded), encoding="utf-8")
    assert load_experiment(path.with_name("again.yaml")) == loaded
    for override, message in {
        "model.encoder={}": "model.encoder: unknown key of kind language_model; expected one of kind",
        "model.layers=two": "model.layers: expected a whole number",
        "model.tie_embeddings=three_way": "model.tie_embeddings: expected 'none' or 'two_way'",
        "model.kind=lm": "model: kind \"lm\" is unknown; expected one of 'seq2seq', 'language_model'",
    }.items():
        with pytest.raises(UserError) as error:
            load_experiment(path, [override])
        assert message in str(error.value)


TWO = """
name: two
data:
  corpora:
    - {builtin: {}, src: de, trg: en, tag: <2en>}
    - {builtin: {}, src: en, trg: de, tag: <2de>, weight: 0.5}
"""


def test_a_place_in_a_list_of_sections_is_a_key(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(TWO, encoding="utf-8")
    plain = load_experiment(path)
    changed = load_experiment(path, ["data.corpora.1.weight=2", "data.corpora.0.builtin.seed=4"])
    assert changed_keys(plain, changed) == [
        ("data.corpora.0.builtin.seed", 1, 4),
        ("data.corpora.1.weight", 0.5, 2.0),
    ]
    path.write_text(dump_experiment(changed), encoding="utf-8")
    assert load_experiment(path) == changed


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "data.corpora.1.weight=0",
            "--set: data.corpora.1.weight: expected a number greater than 0, found 0",
        ),
        ("data.corpora.1.weigth=1", "--set: data.corpora.1.weigth: unknown key; did you mean "),
        ("data.corpora.0.builtin.trian=1", "unknown key; did you mean data.corpora.0.builtin.train?"),
        ("data.corpora.0.tag=de", "data.corpora.0.tag: expected a token of its own such as <2de>"),
    ],
)
def test_a_mistake_in_a_list_of_sections_is_located(tmp_path: Path, override: str, message: str) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(TWO, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_experiment(path, [override])
    (line,) = str(caught.value).splitlines()
    assert message in line
