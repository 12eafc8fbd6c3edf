"""CONTRIBUTING.md: what it shows is what stands in the files, and all of it."""

from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_diff_of_an_attention_is_real_and_whole() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    diff = text.split("```diff\n")[1].split("```")[0]
    assert 30 < len(diff.splitlines()) < 60
    without: dict[str, str] = {}
    for of_file in diff.split("+++ b/")[1:]:
        name, *lines = of_file.splitlines()
        without[name] = (ROOT / name).read_text(encoding="utf-8")
        for hunk in "\n".join(lines).split("@@ ")[1:]:
            _, *changed = hunk.splitlines()
            added = "".join(f"{line[1:]}\n" for line in changed if line.startswith("+"))
            removed = "".join(f"{line[1:]}\n" for line in changed if line.startswith("-"))
            assert added in without[name], added
            without[name] = without[name].replace(added, removed, 1)
    for path in (ROOT / "nmt").rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        left = without.get(name, path.read_text(encoding="utf-8"))
        compile(left, name, "exec")
        mentions = [line.strip() for line in left.splitlines() if "GeneralAttention" in line]
        default = ["attention: AttentionConfig = GeneralAttentionConfig()"]
        assert mentions == (default if name == "nmt/config/model.py" else []), name
