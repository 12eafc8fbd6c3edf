"""A result and its repetition: identical, within the seeds' spread, or what differs first."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from nmt.results import Machine, Result, Score


class Verdict(NamedTuple):
    """Whether a repetition gives the result, and the line that says so."""

    same: bool
    line: str


def judge(recorded: Result, found: Result, others: Sequence[Result]) -> Verdict:
    """Return the verdict on a repetition.

    others: results of the same configuration on the same data with other seeds. Scores that differ are
    within the seeds' spread if they are no further apart than those of the seeds.
    """
    causes = list(_causes(recorded, found))
    although = f"; {'; '.join(causes)}" if causes else ""
    if difference := first_difference("data hash", recorded.data_hashes, found.data_hashes):
        return Verdict(False, f"different: {difference}{although}")
    if difference := first_difference("tokenizer", recorded.tokenizers, found.tokenizers):
        return Verdict(False, f"different: {difference}{_probably(causes)}")
    differing = [(each, _again(each, found)) for each in recorded.scores]
    differing = [(each, again) for each, again in differing if again is None or again.score != each.score]
    if not differing:
        counts = (
            f"{len(recorded.scores)} scores to the last digit, {len(recorded.data_hashes)} data hashes, "
            f"{len(recorded.tokenizers)} tokenizers"
        )
        return Verdict(True, f"identical: {counts}{although}")
    within = [_within(each, again, recorded, others) for each, again in differing]
    first = next((i for i, line in enumerate(within) if line is None), None)
    if first is None:
        return Verdict(True, f"within the seeds' spread: {within[0]}{_probably(causes)}")
    each, again = differing[first]
    score = (
        f"{each.label}: expected {each.score!r}, found {again.score!r}" if again else _missing(each, found)
    )
    known = _spread(each, recorded, others)
    seeds = f"the seeds {known[0]} differ by up to {known[1]:.2f}" if known else "no spread of seeds is known"
    return Verdict(False, f"different: score {score}; {seeds}{_probably(causes)}")


def first_difference(what: str, recorded: Mapping[str, str], found: Mapping[str, str]) -> str | None:
    """Return the first key whose hash differs or is missing, with both hashes; None if none does."""
    for key, value in recorded.items():
        if (now := found.get(key)) != value:
            return f"{what} of {key}: expected {value[:12]}, found {now[:12] if now else 'none'}"
    return None


def _again(score: Score, found: Result) -> Score | None:
    same = (score.metric, score.form, score.signature)
    return next((each for each in found.scores if (each.metric, each.form, each.signature) == same), None)


def _missing(score: Score, found: Result) -> str:
    """Return how a score that is not in the repetition stands there, if at all."""
    other = found.score(score.metric, score.form)
    if other is None:
        return f"{score.label}: expected {score.score!r}, found none"
    return f"{score.label}: expected signature {score.signature}, found {other.signature}"


def _spread(score: Score, recorded: Result, others: Sequence[Result]) -> tuple[str, float] | None:
    """Return the seeds with this score, and the largest difference between two of them; None of one seed."""
    found = {str(recorded.seed): score.score}
    for other in others:
        if (again := _again(score, other)) is not None:
            found[str(other.seed)] = again.score
    return (", ".join(found), max(found.values()) - min(found.values())) if len(found) > 1 else None


def _within(score: Score, again: Score | None, recorded: Result, others: Sequence[Result]) -> str | None:
    """Return how far a score is from its repetition, and how far the seeds are apart; None if less far."""
    spread = _spread(score, recorded, others)
    if again is None or spread is None or abs(again.score - score.score) > spread[1]:
        return None
    seeds, width = spread
    return (
        f"{score.label} {again.score - score.score:+.2f}, found {again.score!r}, "
        f"and the seeds {seeds} differ by up to {width:.2f}"
    )


def _probably(causes: Sequence[str]) -> str:
    if not causes:
        return "; versions, source and machine are the same"
    return f"; probable cause: {'; or '.join(causes)}"


def _causes(recorded: Result, found: Result) -> Iterator[str]:
    """Yield what else differs: versions of packages, the source, the machine."""
    before, after = recorded.versions.model_dump(), found.versions.model_dump()
    for package, version in before.items():
        if after[package] != version:
            yield f"version of {package}: {version or 'none'}, found {after[package] or 'none'}"
    sources = {*_commits(recorded)}, {*_commits(found)}
    if sources[0] != sources[1]:
        yield f"source: commit {_list(sources[0])}, found {_list(sources[1])}"
    machines = _machines(recorded), _machines(found)
    for place, machine in machines[0].items():
        if (now := machines[1].get(place)) and now != machine:
            yield f"machine{place}: {_describe(machine)}, found {_describe(now)}"
            return


def _commits(result: Result) -> list[str | None]:
    return [result.commit, *([result.training.commit] if result.training and result.training.commit else [])]


def _list(commits: set[str | None]) -> str:
    return ", ".join(sorted((commit or "unknown")[:12] for commit in commits))


def _machines(result: Result) -> dict[str, Machine]:
    """Return the machine of the training and that of the score, as far as they are known."""
    trained = result.training.machine if result.training else None
    places = {" of the training": trained, "": result.machine}
    return {place: machine for place, machine in places.items() if machine}


def _describe(machine: Machine) -> str:
    return f"{machine.description}, {machine.threads or 'unknown'} threads"
